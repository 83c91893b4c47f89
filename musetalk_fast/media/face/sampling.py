"""Square pieces of a picture, turned and scaled, as the face models want them.

Coordinates are continuous: pixel `i` covers `[i, i + 1)`, its centre is at `i + 0.5`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels import patch
from musetalk_fast.media.partial_picture import PictureLike
from musetalk_fast.types import Picture

Patch = NDArray[np.float32]
"""(size, size, 3) float32 RGB, 0..255."""

_STRIP_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Region:
    """A square of a picture.

    Attributes:
        x, y: centre, pixels.
        size: side, pixels.
        angle: radians by which its upper edge is turned clockwise from the picture's.
    """

    x: float
    y: float
    size: float
    angle: float = 0.0

    def to_picture(self, points: NDArray[np.float32], side: float) -> NDArray[np.float32]:
        """Points (N, 2 or 3) of a patch of `side` pixels -> pixels of the picture.

        A third coordinate (depth) is scaled only.
        """
        scale = self.size / side
        cos, sin = math.cos(self.angle) * scale, math.sin(self.angle) * scale
        u, v = points[:, 0] - side / 2, points[:, 1] - side / 2
        out = points * np.float32(scale)
        out[:, 0] = cos * u - sin * v + self.x
        out[:, 1] = sin * u + cos * v + self.y
        return out

    def scaled(self, factor: float) -> Region:
        """The same square in a picture that was scaled by `factor`."""
        return Region(self.x * factor, self.y * factor, self.size * factor, self.angle)


def reduce(picture: Picture, factor: int) -> Picture:
    """Mean of blocks of `factor` x `factor` pixels; a remainder at the right or bottom is dropped.

    Works in strips, so that memory beside the result stays bounded.
    """
    if factor == 1:
        return picture
    height, width = picture.shape[0] // factor, picture.shape[1] // factor
    out = np.empty((height, width, 3), np.uint8)
    step = max(1, _STRIP_BYTES // (width * factor * factor * 3))
    for top in range(0, height, step):
        rows = min(step, height - top)
        strip = picture[top * factor : (top + rows) * factor, : width * factor]
        # Rows first: the inner loop then runs over contiguous memory.
        tall = strip.reshape(rows, factor, -1).sum(axis=1, dtype=np.uint32)
        sums = tall.reshape(rows, width, factor, 3).sum(axis=2, dtype=np.uint32)
        out[top : top + rows] = (sums + factor * factor // 2) // (factor * factor)
    return out


def blocks(picture: PictureLike, size: float, side: int) -> int:
    """By how much to reduce a picture before a region of `size` is sampled to `side` pixels."""
    shorter: int = min(picture.shape[:2])
    return max(1, min(int(size / side), shorter))


def sample(picture: Picture, region: Region, side: int) -> Patch:
    """Cut a region out of a picture as a (side, side, 3) patch.

    Bilinear after a mean over whole blocks, so that a much larger region does not alias. Beyond
    the picture its border pixels repeat.
    """
    if blocks(picture, region.size, side) == 1:
        return bilinear(picture, region, side)
    return partial_sample(picture, region, side)


def bilinear(picture: Picture, region: Region, side: int) -> Patch:
    """Cut a region out of a picture with bilinear weights and nothing else."""
    grid = np.arange(side, dtype=np.float32) + np.float32(0.5 - side / 2)
    scale = region.size / side
    cos, sin = math.cos(region.angle) * scale, math.sin(region.angle) * scale
    return patch.sample(picture, cos * grid, sin * grid, (region.x - 0.5, region.y - 0.5))


def partial_sample(picture: PictureLike, region: Region, side: int) -> Patch:
    """As `sample`, of a picture of which only the part around the region is made."""
    x, y, width, height = _around(picture, region)
    factor = blocks(picture, region.size, side)
    piece = reduce(picture[y : y + height, x : x + width], factor)
    inside = Region(region.x - x, region.y - y, region.size, region.angle)
    return bilinear(piece, inside.scaled(1 / factor), side)


def _around(picture: PictureLike, region: Region) -> tuple[int, int, int, int]:
    """The upright rectangle `(x, y, width, height)` of a picture that a region touches."""
    reach = region.size / 2 * (abs(math.cos(region.angle)) + abs(math.sin(region.angle))) + 1
    height, width = picture.shape[:2]
    # At least one block of the reduction remains, wherever the region lies.
    least = int(region.size / 2) + 1
    x = min(max(0, int(region.x - reach)), max(0, width - least))
    y = min(max(0, int(region.y - reach)), max(0, height - least))
    return x, y, max(least, int(region.x + reach) - x), max(least, int(region.y + reach) - y)
