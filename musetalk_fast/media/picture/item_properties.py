"""Item properties of AVIF and HEIC files (ISO/IEC 23008-12).

Pillow shows neither colours by code points nor the shape of pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from musetalk_fast.media.picture.colour_space import ColourSpace, of_code_points

_MAX_BOXES = 4096
"""Of one kind of a box, and of the properties of one picture."""

_Boxes = Iterator[tuple[bytes, memoryview]]


@dataclass(frozen=True, slots=True)
class Properties:
    """The main picture's properties, the first of each kind by the box's name."""

    first: dict[bytes, memoryview] = field(default_factory=dict)

    @property
    def colours(self) -> ColourSpace | bytes | None:
        """By their code points; None if there are none, empty if they are unknown."""
        body = bytes(self.first.get(b"colr", b""))
        if not body.startswith(b"nclx") or len(body) < 11:
            return None
        primaries, transfer = struct.unpack_from(">HH", body, 4)
        return of_code_points(primaries, transfer) or b""

    @property
    def aspect(self) -> float:
        """A pixel's width by its height, before the picture is turned."""
        body = self.first.get(b"pasp", b"")
        across, down = struct.unpack(">II", body) if len(body) == 8 else (1, 1)
        return across / down if across and down else 1.0

    @property
    def is_lying(self) -> bool:
        """Whether it is to be turned by a quarter."""
        return bool(self.first.get(b"irot", b"\0")[:1] in (b"\1", b"\3"))


def main_properties(file: bytes) -> Properties:
    """Read them; none where the file is damaged, which its decoder will say."""
    try:
        meta = dict(_boxes(dict(_boxes(memoryview(file)))[b"meta"][4:]))
        shared = dict(_boxes(meta[b"iprp"]))
        properties = list(_boxes(shared[b"ipco"]))
        numbers = _associated(shared[b"ipma"], _main_item(meta[b"pitm"]))
        found: dict[bytes, memoryview] = {}
        for number in numbers:
            if 0 < number <= len(properties):
                found.setdefault(*properties[number - 1])
    except (IndexError, KeyError, struct.error):
        return Properties()
    return Properties(found)


def _boxes(data: memoryview) -> _Boxes:
    """The boxes that fill bytes: name and body."""
    return islice(_all_boxes(data), _MAX_BOXES)


def _all_boxes(data: memoryview) -> _Boxes:
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        end = len(data) if size == 0 else at + size
        if end < at + head or end > len(data):
            return
        yield name, data[at + head : end]
        at = end


def _main_item(body: memoryview) -> int:
    number: int
    (number,) = struct.unpack_from(">I" if body[0] else ">H", body, 4)
    return number


def _associated(body: memoryview, item: int) -> list[int]:
    """The numbers of an item's properties (ipma, ISO/IEC 23008-12, 9.3.1), from 1."""
    has_long_items, has_long_numbers = body[0] > 0, body[3] & 1 > 0
    (entries,) = struct.unpack_from(">I", body, 4)
    at = 8
    for _ in range(min(entries, _MAX_BOXES)):
        found, count = struct.unpack_from(">IB" if has_long_items else ">HB", body, at)
        at += 5 if has_long_items else 3
        size = 2 if has_long_numbers else 1
        if found == item:
            numbers = struct.unpack_from(f">{count}{'H' if size == 2 else 'B'}", body, at)
            return [number & (0x7FFF if size == 2 else 0x7F) for number in numbers]
        at += count * size
    return []
