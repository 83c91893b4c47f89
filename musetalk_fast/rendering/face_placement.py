"""A face in frames of another size than the video file, whose own pixels a server sees."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.frame_size import Placement
from musetalk_fast.types import Box, Face, Mask


def placed(face: Face, placement: Placement) -> Face:
    """The same face where the frame shows it.

    The box keeps its fractions of a pixel (`Face.place`): rounded, it would tremble. The mask is
    scaled, and cut off with what leaves the frame; it may be empty.
    """
    across, down, left, top = placement[:4]
    x, y, width, height = face.box
    place = (left + x * across, top + y * down, width * across, height * down)
    box = _covering(*place)
    x, y, width, height = face.mask_box
    reached = _covering(left + x * across, top + y * down, width * across, height * down)
    mask_box = _common(_common(reached, box), Box(0, 0, *placement.size))
    if not mask_box.width or not mask_box.height:
        return replace(face, box=box, place=place, mask_box=mask_box, mask=_empty(mask_box))
    mask = _scaled(face, mask_box, placement)
    return replace(face, box=box, place=place, mask_box=mask_box, mask=mask)


def _scaled(face: Face, to: Box, placement: Placement) -> Mask:
    """The mask's weights at the pixels of a rectangle of the frame; beside the mask they are 0.

    But where it ends with the picture it goes on: what is beyond is not seen, and fades nothing.
    """
    from PIL import Image

    across, down, left, top = placement[:4]
    inner, (width, height) = face.mask_box, placement.source
    # As wide as the filter reaches, and as the rectangle was rounded outward.
    margins = (2 + math.ceil(2 / across), 2 + math.ceil(2 / down))
    mask = _widened(face.mask, inner, margins, (width, height))
    x, y = margins[0] - inner.x, margins[1] - inner.y
    window = (
        (to.x - left) / across + x,
        (to.y - top) / down + y,
        (to.x + to.width - left) / across + x,
        (to.y + to.height - top) / down + y,
    )
    bilinear = Image.Resampling.BILINEAR  # over all pixels that one covers, where it shrinks
    scaled = Image.fromarray(mask).resize((to.width, to.height), bilinear, box=window)
    return np.asarray(scaled)


def _widened(mask: Mask, inner: Box, margins: tuple[int, int], size: tuple[int, int]) -> Mask:
    wide: NDArray[np.uint8] = mask
    for axis, margin in enumerate(reversed(margins)):
        start, length = (inner.y, inner.height) if axis == 0 else (inner.x, inner.width)
        ends = (start <= 0, start + length >= size[1 - axis])
        for end, is_at_edge in enumerate(ends):
            pad = [(0, 0), (0, 0)]
            pad[axis] = (margin, 0) if end == 0 else (0, margin)
            wide = np.pad(wide, pad, mode="edge") if is_at_edge else np.pad(wide, pad)
    return wide


def _covering(x: float, y: float, width: float, height: float) -> Box:
    """The smallest rectangle of whole pixels; a rounding error needs none of its own."""
    left, top = math.floor(x + 1e-6), math.floor(y + 1e-6)
    right, bottom = math.ceil(x + width - 1e-6), math.ceil(y + height - 1e-6)
    return Box(left, top, max(1, right - left), max(1, bottom - top))


def _common(one: Box, two: Box) -> Box:
    left, top = max(one.x, two.x), max(one.y, two.y)
    right = min(one.x + one.width, two.x + two.width)
    bottom = min(one.y + one.height, two.y + two.height)
    if right <= left or bottom <= top:
        return Box(max(0, min(left, two.x)), max(0, min(top, two.y)), 0, 0)
    return Box(left, top, right - left, bottom - top)


def _empty(box: Box) -> Mask:
    return np.zeros((box.height, box.width), np.uint8)
