"""Settings that mean the same on whichever machine: as a file of an export, or as values."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from musetalk_fast.config import Loaded, Settings, SettingValue
from musetalk_fast.media.background import background_file


def portable_settings(loaded: Loaded) -> str:
    """A configuration file with all that was chosen; paths are absolute, keys are not in it."""
    chosen = [
        _absolute(item)
        for item in loaded.values
        if item.origin != "default" and item.value is not None and not item.kind.secret
    ]
    lines = ["# The settings of all tasks; MUSETALK_CONFIG_PATH names this file."]
    for section, items in groupby(chosen, lambda item: item.section):
        lines += ["", f"[{section}]", *(item.assignment() for item in items)]
    return "\n".join(lines) + "\n"


_FILES = {("server", key) for key in ("api_key_file", "ca_file", "cert", "key")}


def absolute_files(settings: Settings) -> Settings:
    """Settings whose files are named by absolute paths."""
    server = settings.server
    for _, key in _FILES:
        if (path := getattr(server, key)) is not None:
            named: dict[str, Any] = {key: str(Path(path).absolute())}
            server = replace(server, **named)
    avatar = settings.avatar
    if (file := background_file(avatar.background)) is not None:
        avatar = replace(avatar, background=str(file.absolute()))
    return replace(settings, server=server, avatar=avatar)


def _absolute(item: SettingValue) -> SettingValue:
    if (item.section, item.key) in _FILES:
        return replace(item, value=str(Path(item.value).absolute()))
    if item.key == "background" and (file := background_file(item.value)) is not None:
        return replace(item, value=str(file.absolute()))
    return item
