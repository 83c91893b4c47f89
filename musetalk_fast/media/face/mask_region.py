"""Which pixels of a parsed face take the crop.

MuseTalk parses a square of 1.5 boxes, brought to 512 x 512 pixels, into the 19 classes of
CelebAMask-HQ (`musetalk/utils/face_parsing`). Its three modes:

    raw   skin, mouth and lips
    neck  these, and the neck
    jaw   skin, dilated; where it is a cheek, that is farther from the middle than a cheek width,
          eroded again by 34 columns and 2 rows; without the nose; mouth and lips
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

PARSED = 512
"""Pixels of the parsed square's side."""

SKIN, NOSE, MOUTH, UPPER_LIP, LOWER_LIP, NECK = 1, 10, 11, 12, 13, 14

Labels: TypeAlias = NDArray[np.uint8]
"""(512, 512): the class of each pixel."""

Region: TypeAlias = NDArray[np.bool_]
"""(512, 512): whether a pixel takes the crop."""

_NEAR = 32
"""Rows above the boundary that resampling may look at."""

_CONE, _TAIL = 10, 12
"""Of the kernel that dilates: it widens by a pixel on either side for so many rows, and keeps its
width for so many more. Its middle is the 16th of its 33 rows."""
_ABOVE, _BELOW = 16, 6
"""Rows by which it dilates: OpenCV does not turn a kernel around, so that skin grows up most."""
_CHEEK_REACH = 17
"""Columns on either side that one of two erosions takes; it takes one row above and below."""


class MaskMode(StrEnum):
    """What belongs to the mouth's picture."""

    JAW = "jaw"
    RAW = "raw"
    NECK = "neck"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskOptions:
    """How a face's mask is made; MuseTalk 1.5's by default.

    Attributes:
        mode: see above; MuseTalk 1.0 has `raw`.
        left_cheek_width, right_cheek_width: pixels of the parsed square from its middle, as the
            picture shows it; beyond them skin is a cheek.
        upper_boundary: share of the square's height above which the avatar is kept.
        blur: side of the Gaussian kernel, as a share of the square's: MuseTalk has 0.05 in
            `inference.py`, 0.1 in `realtime_inference.py`.
    """

    mode: MaskMode = MaskMode.JAW
    left_cheek_width: int = 90
    right_cheek_width: int = 90
    upper_boundary: float = 0.5
    blur: float = 0.05


def first_row(options: MaskOptions) -> int:
    """The first row of a region that a mask is made of."""
    return max(0, int(PARSED * options.upper_boundary) - _NEAR)


def region_of(labels: Labels, options: MaskOptions) -> Region:
    """The pixels that take the crop, from `first_row` on.

    Args:
        labels: of a face parser, or of `mesh_labels`.
    """
    region = np.zeros((PARSED, PARSED), bool)
    first = first_row(options)
    seen = max(0, first - _BELOW - 2)  # what lies above has no part in these rows
    region[first:] = _region(labels[seen:], options)[first - seen :]
    return region


def _region(labels: Labels, options: MaskOptions) -> Region:
    lips = np.isin(labels, (MOUTH, UPPER_LIP, LOWER_LIP))
    skin = labels == SKIN
    if options.mode is MaskMode.RAW:
        return np.asarray(skin | lips)
    if options.mode is MaskMode.NECK:
        return np.asarray(skin | lips | (labels == NECK))
    grown = dilated(skin)
    cheeks = np.zeros(PARSED, bool)
    cheeks[: PARSED // 2 - options.left_cheek_width + 1] = True
    cheeks[PARSED // 2 + options.right_cheek_width :] = True
    jaw = np.where(cheeks, eroded(eroded(grown)), grown)
    return np.asarray((jaw & (labels != NOSE)) | lips)


def dilated(skin: Region) -> Region:
    """OpenCV's `dilate` with MuseTalk's cone; beyond the picture is nothing."""
    height, width = skin.shape
    around = np.pad(skin, ((_BELOW, _ABOVE), (_CONE, _CONE)))
    tail = _windows(_windows(around, 2 * _CONE + 1, 1), _TAIL + 1, 0)[_CONE : _CONE + height]
    cone = around
    for _ in range(_CONE):
        # A row of the kernel more, which is wider by a pixel on either side.
        cone[:-1, 1:-1] |= cone[1:, 1:-1] | cone[1:, :-2] | cone[1:, 2:]
    return np.asarray(cone[:height, _CONE : _CONE + width] | tail)


def eroded(skin: Region) -> Region:
    """OpenCV's `erode` with an ellipse of 35 x 3; what is beyond the picture takes nothing."""
    columns = np.pad(skin, ((0, 0), (_CHEEK_REACH, _CHEEK_REACH)), constant_values=True)
    rows = np.pad(skin, ((1, 1), (0, 0)), constant_values=True)
    return np.asarray(
        ~_windows(~columns, 2 * _CHEEK_REACH + 1, 1) & rows[:-2] & rows[1:-1] & rows[2:]
    )


def _windows(values: Region, length: int, axis: int) -> Region:
    """Whether anything is true in each run of so many values along an axis."""
    found = values.swapaxes(0, axis)
    done = 1
    while done < length:
        step = min(done, length - done)
        found = found[:-step] | found[step:]
        done += step
    return found.swapaxes(0, axis)
