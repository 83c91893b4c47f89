"""Pixels that are not square become square."""

from __future__ import annotations

import math
from typing import NamedTuple

from musetalk_fast.media.picture.picture_file import MAX_SIDE, check_size

NOTICEABLE = 1.02
"""A larger change of the proportions shows in a face."""
_MOST = 4.0
"""A larger ratio is an error: the widest pixels of any video or fax are 2.1:1."""


class Square(NamedTuple):
    """A picture's size in square pixels, and what there is to say about it."""

    width: int
    height: int
    notes: tuple[str, ...]


def square_pixels(width: int, height: int, aspect: float) -> Square:
    """How large a picture is once its pixels are square: the shorter axis grows.

    Where that leaves the largest size, the picture keeps its proportions and fills it.

    Args:
        width, height: as it is.
        aspect: a pixel's width by its height.

    Raises:
        errors.ImageSizeError: a side becomes too short.
    """
    if 1 / NOTICEABLE <= aspect <= NOTICEABLE:
        return Square(width, height, ())
    ratio = f"{aspect:.3g}:1" if aspect > 1 else f"1:{1 / aspect:.3g}"
    if not 1 / _MOST <= aspect <= _MOST:
        return Square(width, height, (f"the file claims pixels of {ratio}: they count as square",))
    across, down = width * max(aspect, 1.0), height * max(1 / aspect, 1.0)
    fit = min(1.0, MAX_SIDE / max(across, down))
    across, down = round(across * fit), round(down * fit)
    check_size(across, down)
    note = (
        f"the picture's pixels are not square ({ratio}): it was scaled from {width}x{height} to "
        f"{across}x{down}"
    )
    return Square(across, down, (note,))


def pixel_aspect(across: float, down: float) -> float:
    """A pixel's width by its height, of the pixels in a length across and down.

    1 if one of them says nothing.
    """
    usable = all(math.isfinite(value) and value > 0 for value in (across, down))
    return down / across if usable else 1.0
