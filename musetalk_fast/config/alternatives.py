"""Settings of which one counts: whoever chooses one puts the others of its group back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from musetalk_fast.config.environment import Name
from musetalk_fast.config.settings import SECTIONS


@dataclass(frozen=True, slots=True)
class Alternatives:
    """A group of settings.

    Attributes:
        defaults: its settings, with the values that they have where none is chosen.
        fault: what is said where several are chosen in one place.
    """

    defaults: Mapping[Name, Any]
    fault: str

    def is_chosen(self, values: Mapping[Name, Any]) -> bool:
        """Whether one of them is chosen, and be it the default; a switch that is off is not."""
        given = [values[name] for name in self.defaults if name in values]
        return any(value is not None and value is not False for value in given)


def _group(section: str, keys: tuple[str, ...], fault: str) -> Alternatives:
    known = {item.name: item.default for item in fields(SECTIONS[section])}
    return Alternatives({(section, key): known[key] for key in keys}, fault)


ALTERNATIVES = (
    _group("avatar", ("face", "face_box", "face_center"), "choose different faces"),
    _group("output", ("quality", "crf", "bitrate", "lossless"), "exclude each other"),
)


def contradictions(values: Mapping[Name, Any]) -> Iterator[tuple[list[str], str]]:
    """The keys of which only one can count, and what is wrong with them."""
    for group in ALTERNATIVES:
        known = group.defaults.items()
        keys = [name[1] for name, default in known if values.get(name, default) != default]
        if len(keys) > 1:
            yield keys, group.fault


def with_others_put_back(values: Mapping[Name, Any]) -> dict[Name, Any]:
    """The values, and for each group of which they choose one the defaults of its others."""
    put_back: dict[Name, Any] = {}
    for group in ALTERNATIVES:
        if group.is_chosen(values):
            put_back.update(group.defaults)
    return {**put_back, **values}


def layered(*layers: Mapping[Name, tuple[Any, str]]) -> dict[Name, tuple[Any, str]]:
    """Values with their origins, each of the last layer that has it.

    Of a group of alternatives nothing is left that stands below the last layer that chooses one.
    """
    merged: dict[Name, tuple[Any, str]] = {}
    for layer in layers:
        hidden = with_others_put_back({name: value for name, (value, _) in layer.items()})
        merged = {name: each for name, each in merged.items() if name not in hidden} | {**layer}
    return merged
