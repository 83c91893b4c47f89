"""A picture of which only the parts that are read are computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from musetalk_fast.types import Box, Picture

MakePart: TypeAlias = Callable[[Box], tuple[Picture, Box]]
"""Makes a part of a picture that has at least a rectangle of it in it; says which part it is."""


class PartialPicture:
    """Sliced like an array: `picture[rows, columns]`, without steps; `picture[:, :]` is all of it.

    Attributes:
        shape: (height, width, 3).

    Args:
        width, height: pixels.
        make: called for what was not made yet.
    """

    def __init__(self, width: int, height: int, make: MakePart) -> None:
        self.shape = (height, width, 3)
        self._make = make
        self._part = np.empty((0, 0, 3), np.uint8)
        self._place = Box(0, 0, 0, 0)

    def __getitem__(self, part: tuple[slice, slice]) -> Picture:
        """(rows, columns, 3) uint8 RGB, only to be read."""
        top, bottom, _ = part[0].indices(self.shape[0])
        left, right, _ = part[1].indices(self.shape[1])
        wanted = Box(left, top, right - left, bottom - top)
        if wanted.width <= 0 or wanted.height <= 0:
            return np.empty((max(0, wanted.height), max(0, wanted.width), 3), np.uint8)
        if not contains(self._place, wanted):
            self._part, self._place = self._make(wanted)
        left, top = left - self._place.x, top - self._place.y
        return self._part[top : top + wanted.height, left : left + wanted.width]


PictureLike: TypeAlias = Picture | PartialPicture
"""What is sliced and has a shape: an array, or what makes parts of one."""


def contains(place: Box, other: Box) -> bool:
    """Whether one rectangle lies in another."""
    return (
        place.x <= other.x
        and place.y <= other.y
        and place.x + place.width >= other.x + other.width
        and place.y + place.height >= other.y + other.height
    )
