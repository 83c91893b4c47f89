"""Valid input damaged as networks, disks and hostile peers damage it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

_NUMBER = re.compile(rb"-?[0-9]+")
_NUMBERS = (0, 1, 2, 127, 255, 256, 257, (1 << 16) - 1, 1 << 16, (1 << 31) - 1, 1 << 31)
_LARGE = ((1 << 32) - 1, 1 << 32, (1 << 62), (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 10**30)
_TOKENS = (
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\0", b"=", b"\xff", b"\\u00"),
    *(b'\\"', b"\\ud800", b"null", b"true", b"-", b"1e400", b"NaN", b'"data":"', b',"data":"'),
)
_ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 1 << 20, (1 << 32) - 1, 1 << 32, 1 << 63, (1 << 64) - 1, 10**40),
    *(0.5, -0.0, 1e308, "", "\ud800", "\x1b[2J\0", "x" * 300, "é" * 5, "0" * 64, "f" * 64),
    *([], {}, [[]], [0] * 4, [-1, 0, 1, 1], [[0, 1, 1]], {"": ""}, {"a": "\ud800"}),
)
_MAX_LENGTH = 1 << 20
"""Most bytes that damage makes of an input: a few splices of a long one are long enough."""


def mutated(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """`data` with up to four faults; `other` is what a splice is taken from."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_FAULTS)(rng, data, other)[:_MAX_LENGTH]
    return data


def mutated_json(rng: random.Random, document: Any) -> Any:
    """A JSON document with a value replaced by an odd one, often of its type, or removed."""
    if isinstance(document, dict | list) and document and rng.random() < 0.85:
        names = list(document) if isinstance(document, dict) else range(len(document))
        name, copy = rng.choice(names), document.copy()
        if rng.random() < 0.1:
            del copy[name]
        else:
            copy[name] = mutated_json(rng, copy[name])
        return copy
    alike = [odd for odd in _ODD if type(odd) is type(document)]
    return rng.choice(alike if alike and rng.random() < 0.5 else _ODD)


def pieces(data: bytes) -> list[bytes]:
    """`data` cut at random places; the same bytes are always cut alike."""
    rng = random.Random(data)
    if len(data) < 2000 and rng.random() < 0.1:
        return [data[place : place + 1] for place in range(len(data))]
    cuts = sorted(rng.randint(0, len(data)) for _ in range(rng.randint(0, 8)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _place(rng: random.Random, data: bytes, longest: int = 40) -> tuple[int, int]:
    """Where a short run of bytes begins and ends."""
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.randint(0, longest))


def _flip(rng: random.Random, data: bytes, _other: bytes) -> bytes:
    if not data:
        return data
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def _truncate(rng: random.Random, data: bytes, _other: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _remove(rng: random.Random, data: bytes, _other: bytes) -> bytes:
    start, stop = _place(rng, data)
    return data[:start] + data[stop:]


def _repeat(rng: random.Random, data: bytes, _other: bytes) -> bytes:
    start, stop = _place(rng, data)
    return data[:stop] + data[start:stop] * rng.choice((1, 2, 50)) + data[stop:]


def _insert(rng: random.Random, data: bytes, _other: bytes) -> bytes:
    start, stop = _place(rng, data, 8)
    return data[:start] + rng.randbytes(rng.randint(0, 12)) + data[stop:]


def _token(rng: random.Random, data: bytes, _other: bytes) -> bytes:
    start, stop = _place(rng, data, 3)
    return data[:start] + rng.choice(_TOKENS) + data[stop:]


def _splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _length(rng: random.Random, data: bytes, _other: bytes) -> bytes:
    """A binary number: a length, an index or a size, as far as the writer of a header goes."""
    size = rng.choice((1, 2, 4, 8))
    value = rng.choice((*_NUMBERS, *_LARGE, len(data))) % (1 << 8 * size)
    start = rng.randint(0, max(0, min(len(data), rng.choice((64, len(data)))) - size))
    return data[:start] + value.to_bytes(size, rng.choice(("little", "big"))) + data[start + size :]


def _number(rng: random.Random, data: bytes, _other: bytes) -> bytes:
    """A number written in decimal digits."""
    found = list(_NUMBER.finditer(data[: 1 << 14]))
    if not found:
        return data
    match = rng.choice(found)
    value = rng.choice((*_NUMBERS, *_LARGE, -1))
    return data[: match.start()] + b"%d" % value + data[match.end() :]


def _noise(rng: random.Random, data: bytes, _other: bytes) -> bytes:
    return rng.randbytes(rng.randint(0, 100)) if rng.random() < 0.1 else data


_FAULTS: tuple[Callable[[random.Random, bytes, bytes], bytes], ...] = (
    *(_flip, _truncate, _remove, _repeat, _insert, _token, _splice, _length, _number, _noise),
)
