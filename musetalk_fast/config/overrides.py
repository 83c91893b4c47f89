"""Settings of one job on top of those of its batch, by the names of the keys alone."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from musetalk_fast.config.alternatives import with_others_put_back
from musetalk_fast.config.environment import Name
from musetalk_fast.config.settings import SECTIONS, Settings, kinds
from musetalk_fast.config.value_kind import Kind

_FLAG_NAMES = {"server": ("server", "url")}
"""Of settings whose flag has another name than their key."""


def overridable() -> dict[str, tuple[Name, Kind]]:
    """The settings by the name of their key; not those that are secret."""
    found = {
        key: ((section, key), kind)
        for section, settings_type in SECTIONS.items()
        for key, kind in kinds(settings_type).items()
        if not kind.secret
    }
    return found | {name: found[key] for name, (_, key) in _FLAG_NAMES.items()}


def nearest(name: str, known: Mapping[str, object]) -> str:
    """`; did you mean fps?`, or nothing."""
    near = difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def overridden(settings: Settings, values: Mapping[Name, Any]) -> Settings:
    """The settings with other values; one of several alternatives puts the others back.

    Args:
        values: in their own types.

    Raises:
        errors.InvalidSettingError: a value that its setting does not take.
    """
    values = with_others_put_back(values)
    changed = {
        section: {key: value for (owner, key), value in values.items() if owner == section}
        for section, _ in values
    }
    sections = {
        section: replace(getattr(settings, section), **keys) for section, keys in changed.items()
    }
    return replace(settings, **sections)
