"""The band: the macroblock rows of a still avatar's video that change."""

from __future__ import annotations

import dataclasses

import numpy as np

from musetalk_fast.kernels.h264 import Layout
from musetalk_fast.kernels.planes import Planes
from musetalk_fast.types import Box, Face

MACROBLOCK = 16
"""Pixels of a macroblock's side."""

GUARD_ROWS = 3
"""Rows at each inner edge that have to stay as they are: vectors reach 32 pixels, and the filter
of a fraction of a pixel 3 more."""

_SLACK_ROWS = 1
"""Rows between those and what changes: the deblocking filter changes 3 pixels beyond an edge."""


def band_of(face: Face, width: int, height: int) -> Layout | None:
    """The rows that change where crops are pasted into a picture.

    None where no row is left that does not change.

    Args:
        width, height: pixels of the picture.
    """
    total = _macroblocks(height)
    mask = face.mask_box
    margin = GUARD_ROWS + _SLACK_ROWS
    first = max(0, mask.y // MACROBLOCK - margin)
    stop = min(total, _macroblocks(mask.y + mask.height) + margin)
    if stop < total:
        # The rows before the lower guard, a slice of their own, must not be fewer than its own:
        # the encoder begins a slice whenever so many macroblocks are done.
        stop = min(total, max(stop, first + 2 * GUARD_ROWS))
    if stop - first == total:
        return None
    return Layout(_macroblocks(width), first, stop - first, total, GUARD_ROWS)


def moved(face: Face, layout: Layout) -> Face:
    """The face in a picture of the band alone."""
    top = layout.first_row * MACROBLOCK
    boxes = (Box(box.x, box.y - top, box.width, box.height) for box in (face.box, face.mask_box))
    box, mask_box = boxes
    return dataclasses.replace(face, box=box, mask_box=mask_box)


def rows_of(planes: Planes, first: int, count: int) -> Planes:
    """Macroblock rows of a picture, at its right and lower edge widened to whole macroblocks.

    What lies beyond the picture is encoded too, and repeats its edge.

    Args:
        planes: 8-bit 4:2:0, planar.
        first, count: in macroblocks.
    """
    width = _macroblocks(planes.width) * MACROBLOCK
    made = Planes.allocate(planes.layout, width, count * MACROBLOCK)
    for number in range(3):
        side = MACROBLOCK >> (1 if number else 0)
        samples = planes.samples(number)[first * side : (first + count) * side]
        target = made.samples(number)
        missing = [
            (0, whole - part) for whole, part in zip(target.shape, samples.shape, strict=True)
        ]
        target[...] = np.pad(samples, missing, mode="edge")
    return made


def _macroblocks(pixels: int) -> int:
    return -(-pixels // MACROBLOCK)
