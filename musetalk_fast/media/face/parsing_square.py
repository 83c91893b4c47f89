"""The square around a box in which a face is parsed, and back from it to the mask of the box.

MuseTalk's offline path (`musetalk/utils/blending.py`, `get_image`): the square is brought to
512 x 512 bilinearly; the region found there comes back bicubically, is cut to the box, set to zero
above a share of the square's height, and blurred; then only the box matters, as everything else in
the square is the avatar's own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from musetalk_fast.media.face.anatomy import (
    BROW_OVAL,
    JAW,
    LOWER_OUTER,
    NOSE_BASE,
    NOSE_BRIDGE,
    NOSE_SIDES,
    UPPER_OUTER,
    Points,
)
from musetalk_fast.media.face.mask import cut_to_picture
from musetalk_fast.media.face.mask_region import (
    LOWER_LIP,
    NOSE,
    PARSED,
    SKIN,
    Labels,
    MaskOptions,
    Region,
)
from musetalk_fast.types import Box, Mask, Picture

_EXPAND = 1.5
_SMALL_KERNELS = {
    1: (1.0,),
    3: (0.25, 0.5, 0.25),
    5: (0.0625, 0.25, 0.375, 0.25, 0.0625),
    7: (0.03125, 0.109375, 0.21875, 0.28125, 0.21875, 0.109375, 0.03125),
}
"""OpenCV's Gaussians of so many pixels, where no sigma is named."""

_RINGS = (
    ((*JAW, *BROW_OVAL), SKIN),
    ((NOSE_BRIDGE, NOSE_SIDES[0], NOSE_BASE, NOSE_SIDES[1]), NOSE),
    ((*UPPER_OUTER, *LOWER_OUTER[::-1]), LOWER_LIP),
)
"""What the mesh knows of a face, what lies over another part behind it."""


def square_of(box: Box) -> Box:
    """The square of 1.5 boxes; it may reach beyond the picture."""
    half = int(max(box.width, box.height) // 2 * _EXPAND)
    x, y = (2 * box.x + box.width) // 2, (2 * box.y + box.height) // 2
    return Box(x - half, y - half, 2 * half, 2 * half)


def parser_input(picture: Picture, corner: tuple[int, int], box: Box) -> Picture:
    """What a face parser sees: (512, 512, 3) uint8 RGB, black beyond the picture.

    Args:
        picture: the frame, or a part of it that holds all of the square that the frame holds.
        corner: x, y of that part in the frame.
        box: MuseTalk's box, pixels of the frame.
    """
    square, (height, width) = square_of(box), picture.shape[:2]
    x, y = square.x - corner[0], square.y - corner[1]
    left, top = max(0, x), max(0, y)
    right, bottom = min(width, x + square.width), min(height, y + square.height)
    seen = np.zeros((square.height, square.width, 3), np.uint8)
    if left < right and top < bottom:
        seen[top - y : bottom - y, left - x : right - x] = picture[top:bottom, left:right]
    image = Image.fromarray(seen).resize((PARSED, PARSED), Image.Resampling.BILINEAR)
    return np.asarray(image)


def mesh_labels(points: Points, box: Box) -> Labels:
    """A face's parts as its mesh has them: skin, nose and lips.

    Args:
        points: (478, 2) landmarks, pixels of the frame.
    """
    square = square_of(box)
    image = Image.new("L", (PARSED, PARSED))
    draw = ImageDraw.Draw(image)
    for ring, label in _RINGS:
        # A pixel's middle is at a half; there it has its whole number.
        places = (points[list(ring)] - square[:2]) * (PARSED / square.width) - 0.5
        draw.polygon(places.reshape(-1).tolist(), fill=label)
    return np.asarray(image)


def softened(
    region: Region, box: Box, options: MaskOptions, size: tuple[int, int], detail: int
) -> tuple[Box, Mask]:
    """The mask of a box.

    Args:
        region: of the parsed square.
        size: width and height of the frame.
        detail: pixels of the mask's longer side in which it is made, at most; a larger one is
            enlarged from these.

    Returns:
        The rectangle of the frame where the mask is not zero, and its uint8 weights.
    """
    square, scale = square_of(box), min(1.0, detail / max(box.width, box.height))
    width, height = (max(1, round(side * scale)) for side in (box.width, box.height))
    levels = _box_levels(region, box, square, (width, height))
    boundary = int(square.height * options.upper_boundary) + square.y - box.y
    first = min(max(0, round(boundary * height / box.height)), height)
    levels[:first] = 0
    mask = _blurred(levels, first, _taps(square.width, options.blur, height / box.height))
    if (width, height) != (box.width, box.height):
        large = Image.fromarray(mask).resize(box[2:], Image.Resampling.BILINEAR)
        mask = np.asarray(large)
    return cut_to_picture(mask, box, *size)


def _box_levels(
    region: Region, box: Box, square: Box, size: tuple[int, int]
) -> NDArray[np.float32]:
    """The box's part of a region, resampled from the square: (height, width), 0 to 255."""
    shrink = PARSED / square.width
    left, top = (box.x - square.x) * shrink, (box.y - square.y) * shrink
    edges = (left, top, left + box.width * shrink, top + box.height * shrink)
    image = Image.fromarray(region.astype(np.uint8) * np.uint8(255))
    part = image.resize(size, Image.Resampling.BICUBIC, box=edges)
    return np.array(part, np.float32)


def _taps(side: int, blur: float, scale: float) -> NDArray[np.float32]:
    """OpenCV's Gaussian for a square, at another size of it."""
    kernel = int(blur * side // 2 * 2) + 1
    if scale == 1 and kernel in _SMALL_KERNELS:
        return np.array(_SMALL_KERNELS[kernel], np.float32)
    sigma = (0.3 * ((kernel - 1) * 0.5 - 1) + 0.8) * scale
    reach = math.ceil((kernel // 2) * scale)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(taps / taps.sum(), np.float32)


def _blurred(levels: NDArray[np.float32], first: int, taps: NDArray[np.float32]) -> Mask:
    """Levels blurred along both axes, those above `first` and around being zero."""
    reach, (height, width) = len(taps) // 2, levels.shape
    top = max(0, first - reach)
    mask = np.zeros(levels.shape, np.uint8)
    sharp = np.pad(levels[top:], ((reach, reach), (reach, reach)))
    rows = np.zeros((height - top, width + 2 * reach), np.float32)
    for start, tap in enumerate(taps):
        rows += tap * sharp[start : start + height - top]
    soft = np.zeros((height - top, width), np.float32)
    for start, tap in enumerate(taps):
        soft += tap * rows[:, start : start + width]
    mask[top:] = np.rint(soft)
    return mask
