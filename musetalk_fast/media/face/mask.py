"""MuseTalk's soft mask, with the jaw taken from landmarks in place of a parsing network.

MuseTalk 1.5 (`musetalk/utils/blending.py` and `face_parsing`, mode "jaw", the offline path):
skin of the face, dilated by a kernel of 33 rows in a picture of 512 that shows 1.5 boxes, its
cheeks eroded by twice 17 columns, without the nose; nothing above the middle of the box; then a
Gaussian blur of `int(0.05 * side // 2 * 2) + 1` pixels, `side` being that of the square of 1.5
boxes; then cut to the box.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.soft_mask import soft_mask
from musetalk_fast.media.face.anatomy import (
    BROW_OVAL,
    JAW,
    NOSE_BASE,
    NOSE_BRIDGE,
    NOSE_SIDES,
    Points,
)
from musetalk_fast.types import Box, Mask

UPPER_BOUNDARY = 0.5
"""Of the box: what lies above keeps the avatar."""

_EXPAND = 1.5
_PARSED = 512
_GROWN = 16 / _PARSED * _EXPAND
_CHEEK_ERODED = 34 / _PARSED * _EXPAND
MAX_DETAIL = 1024
"""Pixels: a mask this soft has no detail that a larger one would show."""


def jaw_mask(
    points: Points, box: Box, width: int, height: int, detail: int = MAX_DETAIL
) -> tuple[Box, Mask]:
    """The mask of a face.

    Args:
        points: (478, 2) landmarks, pixels of the picture.
        box: MuseTalk's box.
        width, height: pixels of the picture.
        detail: pixels of the mask's longer side in which it is made, at most.

    Returns:
        The rectangle of the picture where the mask is not zero, and its uint8 weights.
    """
    scale = min(1.0, detail / max(box.width, box.height))
    size = (max(1, round(box.width * scale)), max(1, round(box.height * scale)))
    corner, shrink = np.array(box[:2]), np.array(size) / np.array(box[2:])
    nose = points[[NOSE_BRIDGE, NOSE_SIDES[0], NOSE_BASE, NOSE_SIDES[1]]]
    levels = soft_mask(
        (_grown(points, box) - corner) * shrink,
        (nose - corner) * shrink,
        size=size,
        first=int(size[1] * UPPER_BOUNDARY),
        taps=_taps(box, size[1] / box.height),
        wanted=(box.width, box.height),
    )
    return cut_to_picture(levels, box, width, height)


def blur_kernel(box: Box) -> int:
    """Pixels of the Gaussian kernel's side for a box."""
    side = 2 * int(max(box.width, box.height) // 2 * _EXPAND)
    return int(0.05 * side // 2 * 2) + 1


def _grown(points: Points, box: Box) -> Points:
    """The face's oval, grown below the chin and drawn in at the cheeks, as MuseTalk's is."""
    ring = points[[*JAW, *BROW_OVAL]]
    middle = (ring.min(axis=0) + ring.max(axis=0)) / 2
    side = max(box.width, box.height)
    away = (ring - middle) / np.maximum(np.abs(ring - middle).max(axis=0), 1)
    shift = np.array([_GROWN - _CHEEK_ERODED, _GROWN]) * side
    return np.asarray(ring + away * shift)


def _taps(box: Box, scale: float) -> NDArray[np.float32]:
    """OpenCV's Gaussian of the box's kernel, for a mask of another size."""
    kernel = blur_kernel(box)
    sigma = (0.3 * ((kernel - 1) * 0.5 - 1) + 0.8) * scale
    reach = max(1, math.ceil((kernel // 2) * scale))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(taps / taps.sum(), np.float32)


def cut_to_picture(levels: Mask, box: Box, width: int, height: int) -> tuple[Box, Mask]:
    """The part of a box's mask that is not zero and lies in the picture."""
    left, top = max(0, -box.x), max(0, -box.y)
    right, bottom = min(box.width, width - box.x), min(box.height, height - box.y)
    seen = np.zeros(levels.shape, bool)
    seen[top:bottom, left:right] = levels[top:bottom, left:right] > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return Box(box.x + left, box.y + top, 0, 0), np.zeros((0, 0), np.uint8)
    y, x = int(rows[0]), int(columns[0])
    part = levels[y : int(rows[-1]) + 1, x : int(columns[-1]) + 1]
    place = Box(box.x + x, box.y + y, part.shape[1], part.shape[0])
    return place, np.ascontiguousarray(part)
