"""Frozen dataclasses as JSON objects: each field says once how it is written and bounded.

A field carries its codec: `frames: int = field(metadata=stored(integer(1, 100)))`. Writing, reading
and the identity are derived from the fields; a field without a codec fails in all three.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import Field, astuple, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, cast

from musetalk_fast.wire.json_object import MAX_INDEX, JsonObject

R = TypeVar("R")

_MAX_PATH = 4096
_MAX_TERM = (1 << 62) - 1


def _unchanged(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class FieldCodec:
    """How the value of a field is written in a JSON object.

    Attributes:
        read: the value of the member of this name; raises ProtocolError, which names the member,
            if it is missing or out of bounds.
        write: the value in the types of JSON.
        identity: what of the value counts for the identity; None: all that is written.
    """

    read: Callable[[JsonObject, str], Any]
    write: Callable[[Any], Any] = _unchanged
    identity: Callable[[Any], Any] | None = None


def stored(codec: FieldCodec, *, identity: bool = True) -> dict[str, Any]:
    """The metadata of a field.

    Args:
        identity: records that differ in it are not the same.
    """
    return {"codec": codec, "identity": identity}


def excluded() -> dict[str, Any]:
    """The metadata of a field that is not written: the reader of the object supplies its value."""
    return {"codec": None, "identity": False}


def record_to_json(record: object) -> dict[str, Any]:
    """A dataclass, all of whose fields have such metadata, as a JSON object."""
    return {name: codec.write(getattr(record, name)) for name, codec in _codecs(record)}


def record_from_json(kind: type[R], members: JsonObject, **given: object) -> R:
    """The dataclass again.

    Args:
        given: the fields that were not written.

    Raises:
        errors.ProtocolError: a member is missing or out of bounds; the message names it.
    """
    return kind(**{name: codec.read(members, name) for name, codec in _codecs(kind)}, **given)


def record_identity(record: object) -> dict[str, Any]:
    """The fields that count for the identity, as a JSON object."""
    counted = {item.name for item in _fields(record) if item.metadata["identity"]}
    return {
        name: (codec.identity or codec.write)(getattr(record, name))
        for name, codec in _codecs(record)
        if name in counted
    }


def _codecs(record: object) -> list[tuple[str, FieldCodec]]:
    found = ((item.name, item.metadata["codec"]) for item in _fields(record))
    return [(name, codec) for name, codec in found if codec is not None]


def _fields(record: object) -> tuple[Field[Any], ...]:
    return fields(cast("Any", record))


FLAG = FieldCodec(JsonObject.flag)
"""True or false."""

TEXT = FieldCodec(JsonObject.text)
"""One short line, made printable."""

TEXTS = FieldCodec(JsonObject.mapping, dict)
"""A mapping of at most 64 short texts."""

SHA256 = FieldCodec(lambda members, name: members.hexadecimal(name, 64))
"""64 lower-case hexadecimal digits."""


def integer(low: int, high: int = MAX_INDEX) -> FieldCodec:
    """An integer from `low` to `high`."""
    return FieldCodec(lambda members, name: members.integer(name, low, high))


def choice(words: Iterable[str]) -> FieldCodec:
    """One of a few words; of an enumeration of texts, its member."""

    def read(members: JsonObject, name: str) -> str:
        text = members.text(name)
        for word in words:
            if text == word:
                return word
        raise members.wrong(name, f"one of {', '.join(words)}")

    return FieldCodec(read, str)


def ratio(low: int) -> FieldCodec:
    """A fraction as `[numerator, denominator]`, the numerator at least `low`."""

    def read(members: JsonObject, name: str) -> Fraction:
        numerator, denominator = members.integers(name, 2, 0, _MAX_TERM)
        if numerator < low or not denominator:
            raise members.wrong(name, f"a fraction, with {low} or more over 1 or more")
        return Fraction(numerator, denominator)

    return FieldCodec(read, lambda value: [value.numerator, value.denominator])


def _read_path(members: JsonObject, name: str) -> Path:
    path = members.exact_text(name, _MAX_PATH)
    if not path or "\0" in path:
        raise members.wrong(name, "a path")
    return Path(path)


PATH = FieldCodec(_read_path, lambda path: os.fspath(path.absolute()))
"""A path, written absolute; bytes that are no UTF-8 stand as surrogates."""


def optional(codec: FieldCodec) -> FieldCodec:
    """A value, or null for None."""
    return FieldCodec(
        lambda members, name: codec.read(members, name) if members.has(name) else None,
        lambda value: None if value is None else codec.write(value),
    )


def runs(kind: type, most: int) -> FieldCodec:
    """A tuple of 1 to `most` dataclasses of integers, as a list of lists in their fields' order."""

    def read(members: JsonObject, name: str) -> tuple[Any, ...]:
        return tuple(kind(*each) for each in members.lists(name, len(_fields(kind)), most))

    def write(value: Iterable[Any]) -> list[list[int]]:
        return [list(astuple(each)) for each in value]

    return FieldCodec(read, write)


def integers(kind: type, low: int, high: int) -> FieldCodec:
    """A dataclass of integers from `low` to `high`, as an object."""
    names = [item.name for item in _fields(kind)]

    def read(members: JsonObject, name: str) -> Any:
        inner = members.members(name)
        return kind(**{each: inner.integer(each, low, high) for each in names})

    return FieldCodec(read, lambda value: {each: getattr(value, each) for each in names})


def nested(kind: type) -> FieldCodec:
    """A dataclass whose own fields are `stored`."""
    return FieldCodec(
        lambda members, name: record_from_json(kind, members.members(name)),
        record_to_json,
        record_identity,
    )
