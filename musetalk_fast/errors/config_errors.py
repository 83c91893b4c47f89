"""Errors of flags and settings."""

from __future__ import annotations

from musetalk_fast.errors.musetalk_error import MuseTalkError

__all__ = [
    "ConfigError",
    "ConfigFileError",
    "InvalidSettingError",
    "UnknownSettingError",
    "UsageError",
]


class UsageError(MuseTalkError):
    """Flags that contradict each other or are out of range."""

    token = "MTF-USAGE"
    exit_code = 2
    default_hint = "see the command's `--help`"


class ConfigError(MuseTalkError):
    """A setting that cannot be used."""

    token = "MTF-CONFIG"
    exit_code = 78
    default_hint = (
        "correct it where it stands; `musetalk-fast config path` prints where the file of the "
        "settings is"
    )


class ConfigFileError(ConfigError):
    """The configuration file cannot be read or is not TOML."""

    token = "MTF-CONFIG-FILE"


class UnknownSettingError(ConfigError):
    """A key in the file that names no setting."""

    token = "MTF-CONFIG-UNKNOWN"


class InvalidSettingError(ConfigError):
    """A value of the wrong type or outside its bounds."""

    token = "MTF-CONFIG-VALUE"
