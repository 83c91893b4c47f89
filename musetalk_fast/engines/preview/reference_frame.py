"""Which frame of a clip is the one whose poses are solved."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.face import Landmarks
from musetalk_fast.media.face.anatomy import LOWER_INNER, MIDDLE, UPPER_INNER
from musetalk_fast.types import Box, Crop

_GAP_COST, _YAW_COST, _SIZE_COST, _DARK_COST, _SOFT_COST = 4.0, 1.0, 0.5, 0.5, 0.25
"""What speaks against a frame as the one whose poses are solved: the share of a mouth's width by
which it is open, each 45 degrees by which it turns, each halving of its size and of its light, each
pixel by which it is soft. Teeth can be made darker and softer than they are there, not the other
way round."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceFrame:
    """The frame whose poses are solved.

    Attributes:
        cost: what speaks against it.
        source: its number.
        mesh: its landmarks.
        box: MuseTalk's box.
        photo: its crop.
    """

    cost: float
    source: int
    mesh: NDArray[np.float32]
    box: Box
    photo: Crop


def cost_of(face: Landmarks, rows: Crop, soft: float) -> float:
    """Less for a frame that shows the mouth better: closed, from the front, large, lit, sharp.

    Args:
        rows: the lower ones of its crop.
        soft: pixels, see `light.softness`.
    """
    points = face.points
    across = points[UPPER_INNER[-1], :2] - points[UPPER_INNER[0], :2]
    width = max(float(np.hypot(*across)), 1.0)
    gap = points[LOWER_INNER[MIDDLE], :2] - points[UPPER_INNER[MIDDLE], :2]
    cost = _GAP_COST * float(np.hypot(*gap)) / width + _YAW_COST * face.yaw / 45
    level = max(float(rows[::4, ::4].mean()), 1.0)
    return cost - _SIZE_COST * math.log2(width) - _DARK_COST * math.log2(level) + _SOFT_COST * soft
