"""How a player turns and mirrors a video's pictures: the matrix that its container holds."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import av
    from av.sidedata.sidedata import SideData

_MATRIX = struct.Struct("=9i")


class Turn(Enum):
    """Turns by quarters and mirrorings; the value: the filters that make it.

    Those that mirror top and bottom only turn the strides around: another filter must follow.
    """

    NONE = ()
    ACROSS = ("hflip",)
    DOWN = ("vflip", "copy")
    HALF = ("vflip", "hflip")
    RIGHT = ("transpose=clock",)
    LEFT = ("transpose=cclock",)
    RIGHT_MIRRORED = ("transpose=clock_flip",)
    LEFT_MIRRORED = ("transpose=cclock_flip",)

    @property
    def is_quarter(self) -> bool:
        """Whether width and height change places."""
        return any(name.startswith("transpose") for name in self.filters)

    @property
    def filters(self) -> tuple[str, ...]:
        """FFmpeg's."""
        names: tuple[str, ...] = self.value
        return names


_TURNS = {
    (1, 0, 0, 1): Turn.NONE,
    (-1, 0, 0, 1): Turn.ACROSS,
    (1, 0, 0, -1): Turn.DOWN,
    (-1, 0, 0, -1): Turn.HALF,
    (0, 1, -1, 0): Turn.RIGHT,
    (0, -1, 1, 0): Turn.LEFT,
    (0, 1, 1, 0): Turn.LEFT_MIRRORED,
    (0, -1, -1, 0): Turn.RIGHT_MIRRORED,
}
"""By the signs of (a, b, c, d): a pixel of the file at (x, y) is shown at (ax + cy, bx + dy)."""


def turn_of(frame: av.VideoFrame) -> Turn | None:
    """What a frame's display matrix asks for; None if it is no quarter turn.

    The matrix is that of ISO/IEC 14496-12, 8.3.2.3: a, b, u, c, d, v, x, y, w in 32 bits each.
    """
    for data in side_data(frame):
        if data.type.name == "DISPLAYMATRIX" and data.buffer_size >= _MATRIX.size:
            a, b, _, c, d, *_ = _MATRIX.unpack_from(bytes(data))
            return _TURNS.get((_sign(a, b), _sign(b, a), _sign(c, d), _sign(d, c)))
    return Turn.NONE


def side_data(frame: av.VideoFrame) -> Iterable[SideData]:
    """What comes with a frame; PyAV's types say that it gives strings."""
    return cast("Iterable[SideData]", frame.side_data)


def _sign(value: int, other: int) -> int:
    """0 for what is nothing beside the other."""
    if abs(value) * 100 <= abs(other):
        return 0
    return 1 if value > 0 else -1
