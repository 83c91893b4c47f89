"""The configuration file: where it is, what it contains, and in which line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musetalk_fast.config.home_paths import expanded
from musetalk_fast.config.toml_text import toml_tables
from musetalk_fast.errors import ConfigFileError

PATH_VARIABLE = "MUSETALK_CONFIG_PATH"

_MAX_BYTES = 1 << 20
_HEADER = re.compile(r"\s*\[\s*([\w.-]+)\s*\]")
_ASSIGNMENT = re.compile(r"""\s*["']?([\w.-]+)["']?\s*=""")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a file says.

    Attributes:
        path: the file; it may be absent.
        tables: its content, as TOML gives it.
        text: its text, for line numbers.
        is_there: whether there is one.
    """

    path: Path
    tables: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    is_there: bool = True

    def where(self, *names: str) -> str:
        """`path:line` of a section or of a key in it; only the path if no line shows it."""
        wanted, header = ".".join(names), ""
        for number, line in enumerate(self.text.splitlines(), 1):
            if opened := _HEADER.match(line):
                header = name = opened[1]
            elif assigned := _ASSIGNMENT.match(line):
                name = f"{header}.{assigned[1]}" if header else assigned[1]
            else:
                continue
            if name == wanted or name.startswith(wanted + "."):
                return f"{self.path}:{number}"
        return str(self.path)


def config_path(environ: Mapping[str, str]) -> tuple[Path, bool]:
    """Where the file is, and whether the user said so.

    Raises:
        errors.InvalidSettingError: the user named the home of nobody.
    """
    if chosen := environ.get(PATH_VARIABLE):
        return expanded(chosen), True
    home = environ.get("XDG_CONFIG_HOME") or "~/.config"
    # Not as `Path` does it, which raises where nobody knows the user's home folder.
    return Path(os.path.expanduser(home), "musetalk", "config.toml"), False  # noqa: PTH111


def read_config(environ: Mapping[str, str]) -> ConfigFile:
    """Read the file; one that is absent says nothing, unless the user named it.

    Raises:
        errors.ConfigFileError: named but absent, unreadable, too long, or not TOML.
    """
    path, chosen = config_path(environ)
    if not chosen and not _is_reachable(path):
        return ConfigFile(path, is_there=False)
    try:
        data = _read(path)
    except FileNotFoundError:
        raise ConfigFileError(
            "no such file", where=str(path), hint=f"correct {PATH_VARIABLE} or unset it"
        ) from None
    except OSError as error:
        raise ConfigFileError(f"cannot be read: {error.strerror}", where=str(path)) from error
    return _parse(path, data)


def _is_reachable(path: Path) -> bool:
    """Whether there can be a file for us: not where HOME is unset, no folder, or closed to us."""
    try:
        return not str(path).startswith("~") and bool(path.stat())
    except OSError:
        return False


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise ConfigFileError("this is not a file", where=str(path))
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ConfigFileError(f"longer than {_MAX_BYTES} bytes", where=str(path))
    return data


def _parse(path: Path, data: bytes) -> ConfigFile:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigFileError("not UTF-8 text", where=f"{path}:{line}") from None
    return ConfigFile(path, toml_tables(text, path, ConfigFileError), text)
