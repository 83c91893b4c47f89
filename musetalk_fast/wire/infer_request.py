"""The body of `POST /infer`, read without building anything but what it asks for.

A parser that builds objects first makes gigabytes of a body that is nothing but brackets.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from musetalk_fast.errors import ProtocolError
from musetalk_fast.wire.json_object import JsonObject
from musetalk_fast.wire.json_scanner import JsonScanner, Reading

_FILES = ("image", "audio")
_KEPT = ("fps", "bbox_shift")
_WHAT = "the request"


@dataclass(frozen=True, slots=True, kw_only=True)
class InferInput:
    """What the body says.

    Attributes:
        files: `image` and `audio`, decoded; who uses one takes it out, so that it can go.
    """

    files: dict[str, memoryview]
    fps: Fraction
    bbox_shift: int


def read_infer_request(body: bytearray, max_fps: float) -> InferInput:
    """Read a body that is complete; takes its bytes and leaves it empty.

    Raises:
        ProtocolError: not JSON, a member is missing or out of bounds; unknown ones are ignored, if
            they are not too many.
    """
    scanner, longest = JsonScanner(_WHAT, is_short=True), len(body)
    files: dict[str, memoryview] = {}
    kept: dict[str, Any] = {}

    def member(name: str) -> Reading[None]:
        if name in _FILES:
            files[name] = yield from scanner.base64(longest)
        elif name in _KEPT:
            kept[name] = yield from scanner.scalar()
        else:
            yield from scanner.skip()

    reading = scanner.object(member)
    scanner.add(body)
    body.clear()
    if next(reading, True) is not True or not scanner.only_space_is_left():
        raise ProtocolError(f"{_WHAT} is not one whole JSON object")
    members = JsonObject(kept, _WHAT)
    for name in _FILES:
        if name not in files:
            raise members.wrong(name, "a file in base64")
    fps = Fraction(members.number("fps", 1, max_fps) if members.has("fps") else 25)
    return InferInput(
        files=files,
        fps=fps.limit_denominator(1001),
        bbox_shift=members.integer("bbox_shift", -1000, 1000, default=0),
    )
