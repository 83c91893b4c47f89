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

from dataclasses import dataclass

import numpy as np

from musetalk_fast.errors import FaceOptionsError, FaceSizeError
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
_LIPS = (13, 14)
"""MediaPipe's points between the lips, in the middle of the mouth."""

_MOST = 1000
"""Pixels: no larger shift or margin is looked at."""
_DEFAULT_MARGIN = AvatarOptions().extra_margin


def mouth_box(landmarks: Landmarks, options: AvatarOptions, width: int, height: int) -> Box:
    """MuseTalk's box of a face.

    Args:
        landmarks: of the face.
        options: `bbox_shift` (positive: down, a larger mouth opening) and `extra_margin`.
        width, height: pixels of the picture.

    Returns:
        The box; left and right may lie outside the picture, as in MuseTalk.

    Raises:
        errors.FaceSizeError: a side is below `MIN_SIDE`, whatever the options.
        errors.FaceOptionsError: shift and margin leave no box, or the mouth outside its lower half.
    """
    points = np.floor(landmarks.points[list(IBUG_68), :2]).astype(int)
    left, right = int(points[:, 0].min()), int(points[:, 0].max())
    column = _Column(
        highest=int(points[:, 1].min()),
        bridge=int(points[_BRIDGE, 1]),
        lips=float(landmarks.points[_LIPS, 1].min()),
        lowest=int(points[:, 1].max()),
        height=height,
    )
    shift, margin = options.bbox_shift, options.extra_margin
    upper, lower = column.edges(shift, margin)
    box = Box(left, upper, right - left, lower - upper)
    if box.width < MIN_SIDE or not (column.allows(shift, margin) or column.allowed(shift, margin)):
        raise FaceSizeError(
            f"the face's box of {box.width}x{box.height} pixels (in a picture of {width}x{height}) "
            f"is smaller than {MIN_SIDE}x{MIN_SIDE}"
        )
    if not column.allows(shift, margin):
        raise FaceOptionsError(
            f"bbox_shift {shift} and extra_margin {margin} leave no box of at least {MIN_SIDE} "
            "pixels with the mouth in its lower half, the only part that moves",
            hint=f"this face allows {' or '.join(column.allowed(shift, margin))}",
        )
    return box


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """Where the parts of a face lie, in pixels from the picture's upper edge.

    Attributes:
        highest, lowest: of the 68 landmarks.
        bridge: the middle of the nose, without a shift.
        height: of the picture.
    """

    highest: int
    bridge: int
    lips: float
    lowest: int
    height: int

    def edges(self, shift: int, margin: int) -> tuple[int, int]:
        """The upper and the lower edge of the box."""
        upper = max(0, 2 * (self.bridge + shift) - self.lowest)
        return upper, min(self.lowest + margin, self.height)

    def allows(self, shift: int, margin: int) -> bool:
        """Whether a shift and a margin leave a usable box.

        It is high enough, its middle is on the face, and the mouth is below that, where MuseTalk's
        mask begins.
        """
        upper, lower = self.edges(shift, margin)
        middle = self.bridge + shift
        return (
            self.highest <= middle < min(self.lowest, self.lowest + margin)
            and lower - upper >= MIN_SIDE
            and upper + lower <= 2 * self.lips
        )

    def allowed(self, shift: int, margin: int) -> list[str]:
        """What may be given instead.

        Another margin for this shift, another shift for this margin, or neither.
        """
        margins = [each for each in range(_MOST) if self.allows(shift, each)]
        shifts = [each for each in range(-_MOST, _MOST) if self.allows(each, margin)]
        found = []
        if margins:
            found.append(f"an extra_margin (--extra-margin) from {margins[0]} to {margins[-1]}")
        if shifts:
            found.append(f"a bbox_shift (--bbox-shift) from {shifts[0]} to {shifts[-1]}")
        if not found and self.allows(0, _DEFAULT_MARGIN):
            found.append("neither of them: leave them out")
        return found
