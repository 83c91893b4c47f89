"""MuseTalk's box, from MediaPipe's points.

MuseTalk 1.5 takes 68 landmarks (the iBUG numbering) in whole pixels and computes

    middle = y of landmark 29 (third of the nose bridge) + bbox_shift
    half   = largest y of all landmarks - middle
    box    = smallest x, max(0, middle - half), largest x, largest y + extra_margin

with the lower edge cut at the picture's (`musetalk/utils/preprocessing.py` and
`scripts/inference.py`). The box is as high above the middle of the nose as below it, so that the
mouth lies in its lower half.

MediaPipe has other points. `IBUG_68` names the one that stands for each of the 68: the nose bridge
27 to 30 has even spacing, as have the points 168, 197, 5 and 1; the jaw 0 to 16 runs along the
oval from the upper edge of one ear (127) over the chin (152) to the other (356).
"""

from __future__ import annotations

import numpy as np

from musetalk_fast.errors import FaceSizeError, UsageError
from musetalk_fast.media.face.landmarks import Landmarks
from musetalk_fast.types import AvatarOptions, Box

IBUG_68 = (
    *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),  # jaw
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # eyebrows
    *(168, 197, 5, 1, 98, 97, 2, 326, 327),  # nose
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),  # outer lips
    *(78, 81, 13, 311, 308, 402, 14, 178),  # inner lips
)
"""MediaPipe's point for each of the 68 landmarks."""

MIN_SIDE = 32
"""Pixels: a smaller box has less than an eighth of the crop's resolution, and a mouth of ten
pixels, which the model cannot tell open from closed."""

_BRIDGE = 29


def mouth_box(landmarks: Landmarks, options: AvatarOptions, width: int, height: int) -> Box:
    """MuseTalk's box of a face.

    Args:
        landmarks: of the face.
        options: `bbox_shift` (positive: down, a larger mouth opening) and `extra_margin`.
        width, height: pixels of the picture.

    Returns:
        The box; left and right may lie outside the picture, as in MuseTalk.

    Raises:
        errors.FaceSizeError: a side is below `MIN_SIDE`.
        errors.UsageError: shift and margin leave no box.
    """
    points = np.floor(landmarks.points[list(IBUG_68), :2]).astype(int)
    left, right = int(points[:, 0].min()), int(points[:, 0].max())
    lowest = int(points[:, 1].max())
    middle = int(points[_BRIDGE, 1]) + options.bbox_shift
    upper = max(0, 2 * middle - lowest)
    lower = min(lowest + options.extra_margin, height)
    box = Box(left, upper, right - left, lower - upper)
    # The middle must stay on the face, between eyebrows and chin.
    highest = int(points[:, 1].min())
    bridge = middle - options.bbox_shift
    shifts = _shifts(highest - bridge, lowest - bridge, lower - bridge)
    if not highest <= middle < min(lowest, lowest + options.extra_margin):
        raise UsageError(
            f"bbox_shift {options.bbox_shift} and extra_margin {options.extra_margin} leave no box",
            hint=_allowed(shifts),
        )
    if min(box.width, box.height) < MIN_SIDE:
        raise FaceSizeError(
            f"the face's box of {box.width}x{box.height} pixels (in a picture of {width}x{height}) "
            f"is smaller than {MIN_SIDE}x{MIN_SIDE}",
            hint=_allowed(shifts) if options.bbox_shift > 0 and box.width >= MIN_SIDE else None,
        )
    return box


def _shifts(highest: int, lowest: int, lower: int) -> range:
    """The shifts that leave a box high enough.

    Args:
        highest, lowest: landmarks, in pixels below the middle of the nose.
        lower: the box's lower edge, likewise.
    """
    # The box begins at twice the shift less `lowest`, and must be `MIN_SIDE` high.
    return range(highest, min(lowest - 1, (lower + lowest - MIN_SIDE) // 2) + 1)


def _allowed(shifts: range) -> str | None:
    if not shifts:
        return None
    return f"this face allows a bbox_shift (--bbox-shift) from {shifts[0]} to {shifts[-1]}"
