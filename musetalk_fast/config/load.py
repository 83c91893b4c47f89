"""Loads settings: flag > environment > file > default."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musetalk_fast.config.alternatives import layered
from musetalk_fast.config.environment import KEY_VARIABLE, Name, settings_of, unused_variables
from musetalk_fast.config.file import ConfigFile, read_config
from musetalk_fast.config.settings import SECTIONS, Settings, kinds
from musetalk_fast.config.value_kind import Kind
from musetalk_fast.errors import InvalidSettingError, UnknownSettingError

_KEY = ("server", "api_key")
_KEY_FILE = ("server", "api_key_file")


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting's value and where it came from.

    Attributes:
        kind: how the value is written.
        origin: `flag`, the variable, the file and line, or `default`.
    """

    section: str
    key: str
    kind: Kind
    value: Any
    origin: str

    def assignment(self) -> str:
        """`key = value` as a file says it, of a value that is there."""
        return f"{self.key} = {self.kind.toml(self.value)}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """All settings.

    Attributes:
        values: each with its origin, in the order of the sections.
        path: the configuration file.
        is_there: whether there is one.
        warnings: what of the environment looks like a setting and is none.
    """

    settings: Settings
    values: tuple[SettingValue, ...]
    path: Path
    is_there: bool
    warnings: tuple[str, ...]


def load_settings(
    flags: Mapping[Name, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Loaded:
    """Settings as the commands have them: of flags, environment, file and defaults.

    Examples:
        >>> from musetalk_fast import load_settings, render
        >>> settings = load_settings().settings
        >>> render("portrait.png", "speech.wav", "out.mp4", settings).frames
        75

    Args:
        flags: by (section, key), in their own types; each stands above all others, also above
            those of which only one counts (`face`, `face_box`; `quality`, `crf`).
        environ: variables; None: those of the process.

    Raises:
        errors.ConfigFileError: the file cannot be read.
        errors.UnknownSettingError: an unknown key in the file; the nearest is named.
        errors.InvalidSettingError: a value that its setting does not take.
    """
    environ = os.environ if environ is None else environ
    flags = flags or {}
    file = read_config(environ)
    given = layered(
        _from_file(file),
        settings_of(environ),
        {name: (value, "flag") for name, value in flags.items()},
    )
    if _KEY_FILE in flags:
        given.pop(_KEY, None)  # a flag comes before the environment
    settings = Settings(
        **{
            section: kind(**{key: given[section, key][0] for key in _given(given, section)})
            for section, kind in SECTIONS.items()
        }
    )
    values, warnings = tuple(_sourced(settings, given)), tuple(unused_variables(environ))
    return Loaded(settings, values, file.path, file.is_there, warnings)


def _sourced(settings: Settings, given: Mapping[Name, tuple[Any, str]]) -> Iterator[SettingValue]:
    for section, settings_type in SECTIONS.items():
        for key, kind in kinds(settings_type).items():
            value = getattr(getattr(settings, section), key)
            origin = given[section, key][1] if (section, key) in given else "default"
            yield SettingValue(section, key, kind, value, origin)


def _given(given: Iterable[Name], section: str) -> list[str]:
    return [key for owner, key in given if owner == section]


def _from_file(file: ConfigFile) -> dict[Name, tuple[Any, str]]:
    found = {}
    for section, table in file.tables.items():
        if section not in SECTIONS:
            raise _unknown_section(section, file)
        if not isinstance(table, dict):
            raise InvalidSettingError(
                f"must be a section: write [{section}] and the settings below it",
                where=file.where(section),
            )
        known = kinds(SECTIONS[section])
        for key, value in table.items():
            where = file.where(section, key)
            if key not in known:
                raise UnknownSettingError(
                    f"[{section}] has no setting {key!r}", where=where, hint=_nearest(key, known)
                )
            if known[key].secret:
                raise InvalidSettingError(
                    f"{key} does not belong in this file",
                    where=where,
                    hint=f"write the key into a file of its own and name it with {key}_file, "
                    f"or set {KEY_VARIABLE}",
                )
            found[section, key] = (_native(known[key], value, f"{where} {key}"), where)
    return found


def _unknown_section(name: str, file: ConfigFile) -> UnknownSettingError:
    sections = [section for section, kind in SECTIONS.items() if name in kinds(kind)]
    hint = f"it belongs below [{sections[0]}]" if sections else _nearest(name, SECTIONS)
    what = "setting" if sections else "section"
    return UnknownSettingError(f"no {what} {name!r} here", where=file.where(name), hint=hint)


def _native(kind: Kind, value: object, where: str) -> Any:
    try:
        return kind.read(value)
    except ValueError as error:
        raise InvalidSettingError(str(error), where=where) from None


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else "known are: " + ", ".join(names)
