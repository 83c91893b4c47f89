"""The photo's own crop: the box scaled to 256 x 256, supersampled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.types import CROP_SIZE, Box, Crop, Picture

_STRIP_ROWS = 256


def photo_crop(picture: Picture, box: Box) -> Crop:
    """Scale a box of a picture to a crop.

    Each pixel is the mean of bilinear samples that lie at most one pixel of the picture apart.
    Beyond the picture its border pixels repeat. Works in strips, so that memory stays bounded.

    Args:
        picture: (H, W, 3) uint8 RGB.
        box: may reach beyond the picture.

    Returns:
        (256, 256, 3) uint8 RGB, contiguous.
    """
    height, width = picture.shape[:2]
    across, left = sampling(box.x, box.width, width, CROP_SIZE)
    down, top = sampling(box.y, box.height, height, CROP_SIZE)
    out = np.zeros((CROP_SIZE, CROP_SIZE * 3), np.float32)
    for first in range(0, down.shape[1], _STRIP_ROWS):
        weights = down[:, first : first + _STRIP_ROWS]
        rows = slice(top + first, top + first + weights.shape[1])
        strip = picture[rows, left : left + across.shape[1]].astype(np.float32)
        narrow = np.einsum("kx,yxc->ykc", across, strip, optimize=True)
        out += weights @ narrow.reshape(weights.shape[1], -1)
    levels = np.clip(out + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(levels.reshape(CROP_SIZE, CROP_SIZE, 3))


def sampling(
    start: float, length: float, limit: int, count: int
) -> tuple[NDArray[np.float32], int]:
    """Weights that scale pixels `[start, start + length)` of a row to `count` pixels.

    Args:
        limit: pixels of the row; samples beyond take its first or last one.

    Returns:
        (count, n) float32 weights, and which pixel of the row the first column stands for.
    """
    each = max(1, math.ceil(length / count))
    step = length / (count * each)
    places = start + (np.arange(count * each) + 0.5) * step - 0.5
    places = np.clip(places, 0, limit - 1)
    below = np.minimum(places.astype(np.intp), max(0, limit - 2))
    above = np.minimum(below + 1, limit - 1)
    share = (places - below).astype(np.float32)
    first = int(below[0])
    weights = np.zeros((count, int(above[-1]) - first + 1), np.float32)
    owner = np.repeat(np.arange(count), each)
    np.add.at(weights, (owner, below - first), (1 - share) / each)
    np.add.at(weights, (owner, above - first), share / each)
    return weights, first
