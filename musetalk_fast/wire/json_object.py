"""The members of a JSON object from a peer: typed, bounded, or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from musetalk_fast.errors import ProtocolError
from musetalk_fast.types import Box
from musetalk_fast.wire.printable import printable

MAX_INDEX = (1 << 32) - 1
"""Frames and source frames are numbered in 32 bits."""

MAX_COORDINATE = 1 << 20
"""No coordinate or side of a rectangle lies beyond it, in pixels."""

_MAX_TEXT = 200
_MAX_SHOWN = 60
_HEX = frozenset("0123456789abcdef")


def parse_object(text: bytes | memoryview, where: str) -> JsonObject:
    """Read a JSON object.

    Args:
        text: UTF-8; its length was bounded by the caller.
        where: what the object is, for messages.

    Raises:
        ProtocolError: it is not JSON, or not an object.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"{where} is not JSON ({printable(error.msg, 100)})") from None
    return JsonObject(document, where)


class JsonObject:
    """Reads members by name; those that are not read are ignored.

    Args:
        document: what a JSON parser gave.
        where: what it is, for messages.

    Every reader raises ProtocolError if the member is missing or outside its bounds. A reader
    with a `default` gives it for a missing member and for null.
    """

    def __init__(self, document: object, where: str) -> None:
        if not isinstance(document, dict):
            raise ProtocolError(f"{where} must be a JSON object, not {shown(document)}")
        self._document: Mapping[str, Any] = document
        self._where = where

    def has(self, name: str) -> bool:
        """Whether the member is there and not null."""
        return self._document.get(name) is not None

    def integer(
        self, name: str, low: int = 0, high: int = MAX_INDEX, *, default: int | None = None
    ) -> int:
        """An integer from `low` to `high`."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.wrong(name, f"an integer from {low} to {high}")
        return value

    def number(self, name: str, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        value = self._value(name, None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(name, "a number")
        if not low <= value <= high:
            raise self.wrong(name, f"a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, name: str, *, default: bool | None = None) -> bool:
        """True or false."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def text(self, name: str, longest: int = _MAX_TEXT, *, default: str | None = None) -> str:
        """Text, made printable and cut to `longest` characters."""
        value = self._value(name, default)
        if not isinstance(value, str):
            raise self.wrong(name, "text")
        return printable(value, longest)

    def raw_text(self, name: str) -> bytes:
        """Text of any length, as it came; never to be printed."""
        value = self._value(name, None)
        if not isinstance(value, str):
            raise self.wrong(name, "text")
        return value.encode()

    def exact_text(self, name: str, longest: int) -> str:
        """Text of at most `longest` characters, as it came; never to be printed."""
        value = self._value(name, None)
        if not isinstance(value, str) or len(value) > longest:
            raise self.wrong(name, f"a text of at most {longest} characters")
        return value

    def optional_text(self, name: str, longest: int = _MAX_TEXT) -> str | None:
        """As `text`; None if the member is missing or null."""
        return self.text(name, longest) if self.has(name) else None

    def hexadecimal(self, name: str, digits: int) -> str:
        """Exactly so many lower-case hexadecimal digits."""
        value = self._value(name, None)
        if not isinstance(value, str) or len(value) != digits or not set(value) <= _HEX:
            raise self.wrong(name, f"{digits} lower-case hexadecimal digits")
        return value

    def integers(self, name: str, count: int, low: int, high: int) -> tuple[int, ...]:
        """A list of exactly `count` integers from `low` to `high`."""
        value = self._value(name, None)
        if not _are_integers(value, count, low, high):
            raise self.wrong(name, f"a list of {count} integers from {low} to {high}")
        return tuple(value)

    def box(self, name: str) -> Box:
        """A rectangle `[x, y, width, height]` that is not empty."""
        place = self.integers(name, 4, -MAX_COORDINATE, MAX_COORDINATE)
        if place[2] < 1 or place[3] < 1:
            raise self.wrong(name, "a rectangle of at least one pixel")
        return Box(*place)

    def lists(self, name: str, count: int, longest: int) -> list[tuple[int, ...]]:
        """A list of at most `longest` lists of exactly `count` integers."""
        value = self._value(name, None)
        limit = MAX_INDEX
        if not isinstance(value, list) or not 0 < len(value) <= longest:
            raise self.wrong(name, f"a list of 1 to {longest} lists")
        if not all(_are_integers(entry, count, -limit, limit) for entry in value):
            raise self.wrong(name, f"a list of lists of {count} integers")
        return [tuple(entry) for entry in value]

    def texts(self, name: str, longest: int = 32) -> tuple[str, ...]:
        """A list of at most `longest` short texts."""
        value = self._value(name, None)
        if not isinstance(value, list) or len(value) > longest:
            raise self.wrong(name, f"a list of at most {longest} texts")
        if not all(isinstance(entry, str) for entry in value):
            raise self.wrong(name, "a list of texts")
        return tuple(printable(entry, _MAX_TEXT) for entry in value)

    def mapping(self, name: str, longest: int = 64) -> dict[str, str]:
        """An object of at most `longest` short, printable texts by name, as they came."""
        value = self._value(name, {})
        if not isinstance(value, dict) or len(value) > longest:
            raise self.wrong(name, f"an object of at most {longest} texts")
        if not all(map(_is_short_text, (*value, *value.values()))):
            raise self.wrong(name, "an object of short, printable texts")
        return dict(value)

    def members(self, name: str) -> JsonObject:
        """An object; an empty one if the member is missing or null."""
        return JsonObject(self._value(name, {}), f"{self._where}: {name}")

    def objects(self, name: str, longest: int) -> tuple[JsonObject, ...]:
        """A list of at most `longest` objects."""
        value = self._value(name, None)
        if not isinstance(value, list) or len(value) > longest:
            raise self.wrong(name, f"a list of at most {longest} objects")
        return tuple(JsonObject(entry, f"{self._where}: {name}") for entry in value)

    def wrong(self, name: str, wanted: str) -> ProtocolError:
        """The error for a member that is not what is wanted."""
        if name not in self._document:
            return ProtocolError(f"{self._where}: {name} is missing: it must be {wanted}")
        value = shown(self._document[name])
        return ProtocolError(f"{self._where}: {name} must be {wanted}, not {value}")

    def _value(self, name: str, default: object) -> Any:
        value = self._document.get(name)
        return default if value is None else value


def shown(value: object) -> str:
    """A value from a peer, short and printable."""
    return printable(repr(value)[: 4 * _MAX_SHOWN], _MAX_SHOWN)


def _is_short_text(value: object) -> bool:
    """Half of a surrogate pair is not printable either: it has no UTF-8."""
    return isinstance(value, str) and len(value) <= _MAX_TEXT and value.isprintable()


def _are_integers(value: object, count: int, low: int, high: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(type(entry) is int and low <= entry <= high for entry in value)
    )
