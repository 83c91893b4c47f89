"""Settings that mean the same on whichever machine: as a file of an export, or as values."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from pathlib import Path

from musetalk_fast.config import Loaded, Settings
from musetalk_fast.config.overrides import overridden
from musetalk_fast.config.settings import SECTIONS, kinds
from musetalk_fast.planning.setting_files import names_file, placed


def portable_settings(loaded: Loaded) -> str:
    """A configuration file with all that was chosen; paths are absolute, keys are not in it.

    Raises:
        errors.InvalidSettingError, errors.UsageError: as `planning.setting_files.placed`.
    """
    chosen = [
        replace(item, value=placed(item.kind, item.value, Path()))
        for item in loaded.values
        if item.origin != "default" and item.value is not None and not item.kind.secret
    ]
    lines = ["# The settings of all tasks; MUSETALK_CONFIG_PATH names this file."]
    for section, items in groupby(chosen, lambda item: item.section):
        lines += ["", f"[{section}]", *(item.assignment() for item in items)]
    return "\n".join(lines) + "\n"


def absolute_files(settings: Settings) -> Settings:
    """Settings whose files are named by absolute paths.

    Raises:
        errors.InvalidSettingError, errors.UsageError: as `planning.setting_files.placed`.
    """
    values = {
        (section, key): placed(kind, getattr(getattr(settings, section), key), Path())
        for section, settings_type in SECTIONS.items()
        for key, kind in kinds(settings_type).items()
        if names_file(kind)
    }
    return overridden(settings, values)
