"""How lips, jaw and chin move with two numbers: `open` 0..1 and `wide` -1 (rounded)..1 (spread).

All places are in coordinates of the mouth (see `mouth_space.MouthSpace`). The proportions were set
by eye on portraits with closed mouths and with smiles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.media.face.anatomy import (
    CHIN,
    CHIN_TIP,
    JAW,
    LOWER_INNER,
    LOWER_OUTER,
    MIDDLE,
    STILL,
    UPPER_INNER,
    UPPER_OUTER,
    Points,
)

GAP_SHARE = 0.3
"""The lips part by at most this share of the way from the mouth to the chin."""
UPPER_SHARE = 0.16
"""Of that gap; the jaw carries the lower lip through the rest."""
CLOSING_LINE, UPPER_REACH = 0.42, 0.09
"""Where lips meet, between the photo's upper (0) and lower (1) lip: the lower one travels more. And
mouth widths that the upper one comes down at most: the rest of a wide gap is the jaw's."""
ROUNDING, SPREADING = 0.24, 0.07
"""Change of the mouth's width at the two ends of `wide`."""
OPEN_NARROWING = 0.05
UPPER_FOLLOW, LOWER_FOLLOW = 0.72, 0.90
"""How much of the inner edge's way the outer edge of a lip goes."""
CHIN_FOLLOW, CHIN_RISE, SMILE_RISE = 0.68, 0.22, 0.12
"""Of the lower lip's way down, and of its way up when a smile closes: as many mouth widths. What is
more is a jaw that closes: the chin follows as on its way down."""
LIP_INSET = 0.022
"""Mouth widths: how far inside a lip its edge is taken from where the photo shows teeth, so that
neither they nor the dark of the corners stick to a lip that moves. Landmarks are not more exact."""
SMILE_GAP = 0.06
"""Mouth widths between the lips of a photo: above it, it shows what is behind them."""
TOGETHER, APART = 0.015, 0.035
"""Mouth widths between the lips of a photo: up to the first it counts as a closed mouth, which is
what a pause shows; from the second on lips close in a pause. Landmarks are exact to a hundredth."""
LIP_LINE = 0.018
"""Mouth widths of shade that stay between lips which close over what the photo shows."""
POUT = 0.10
"""Lips thicken by this share when rounded and thin when spread."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The moving parts of a face, or where a pose puts them."""

    upper_outer: Points
    upper_inner: Points
    lower_inner: Points
    lower_outer: Points
    jaw: Points
    chin: Points

    @property
    def gap(self) -> float:
        """Between the lips, in the middle."""
        return float(self.lower_inner[MIDDLE, 1] - self.upper_inner[MIDDLE, 1])


@dataclass(frozen=True, slots=True, eq=False)
class FaceShape:
    """A face as the photo shows it.

    Attributes:
        features: its moving parts.
        still: points that never move.
        widest_gap: what the lips may part.
    """

    features: Features
    still: Points
    widest_gap: float

    @property
    def shows_teeth(self) -> bool:
        """Whether the photo shows what is behind the lips."""
        return self.features.gap > SMILE_GAP

    @property
    def parted(self) -> float:
        """0 if the photo's lips are together, 1 if they are apart, and what is in doubt between."""
        return min(max((self.features.gap - TOGETHER) / (APART - TOGETHER), 0.0), 1.0)

    @staticmethod
    def of(points: Points, space: MouthSpace) -> FaceShape:
        """The shape of a face with (478, 2) landmarks in pixels of the picture."""
        places = space.from_picture(points)
        groups = (UPPER_OUTER, UPPER_INNER, LOWER_INNER, LOWER_OUTER, JAW, CHIN)
        upper_outer, upper, lower, lower_outer, jaw, chin = (places[list(each)] for each in groups)
        upper, lower = _left_to_right(upper), _left_to_right(lower)
        features = Features(upper_outer, upper, lower, lower_outer, jaw, chin)
        below = float(places[CHIN_TIP, 1] - features.lower_inner[MIDDLE, 1])
        return FaceShape(features, places[list(STILL)], GAP_SHARE * max(below, 0.2))


def _left_to_right(lip: Points) -> Points:
    """The row of points with rising first coordinates: turned heads fold a lip over itself."""
    steps = np.arange(len(lip)) * 1e-3
    across = np.maximum.accumulate(lip[:, 0] - steps) + steps
    return np.stack([across, lip[:, 1]], axis=1)


def posed(face: FaceShape, opened: float, wide: float) -> Features:
    """Where a pose puts the moving parts of a face."""
    rest = face.features
    gap = opened * face.widest_gap
    upper = _inner_lip(rest, rest.upper_inner, -UPPER_SHARE * gap, opened, wide)
    lower = _inner_lip(rest, rest.lower_inner, (1 - UPPER_SHARE) * gap, opened, wide)
    jaw_drop = _jaw_drop(float(lower[MIDDLE, 1] - rest.lower_inner[MIDDLE, 1]))
    reach = float(np.abs(rest.jaw[:, 0]).max())
    return Features(
        _outer_lip(rest.upper_outer, rest.upper_inner, upper, UPPER_FOLLOW, opened, wide),
        upper,
        lower,
        _outer_lip(rest.lower_outer, rest.lower_inner, lower, LOWER_FOLLOW, opened, wide),
        _jaw(rest.jaw, jaw_drop, reach),
        _chin(rest.chin, jaw_drop, reach),
    )


def _jaw_drop(lip_drop: float) -> float:
    """How far down the jaw goes with the lower lip."""
    smile = min(max(lip_drop, -SMILE_RISE), 0.0)
    return smile * CHIN_RISE + (lip_drop - smile) * CHIN_FOLLOW


def inside_lips(face: FaceShape) -> Features:
    """The features with the lips' edges a little inside the lips, if they are parted.

    At the corners, too, where a smile has its darkest spots.
    """
    rest = face.features
    inset = LIP_INSET * min(max(rest.gap / SMILE_GAP, 0.0), 1.0)
    down = np.array([0.0, inset])
    return replace(rest, upper_inner=rest.upper_inner - down, lower_inner=rest.lower_inner + down)


def _inner_lip(rest: Features, lip: Points, parting: float, opened: float, wide: float) -> Points:
    """The edge of a lip: on the closing line, moved by `parting`, which fades to the corners."""
    edges = (rest.upper_inner, rest.lower_inner)
    above, below = (np.interp(lip[:, 0], edge[:, 0], edge[:, 1]) for edge in edges)
    line = above + min(CLOSING_LINE, UPPER_REACH / max(rest.gap, 1e-6)) * (below - above)
    width = 1 + (SPREADING if wide > 0 else ROUNDING) * wide - OPEN_NARROWING * opened
    arch = np.clip(1 - np.abs(2 * lip[:, 0]) ** 2.2, 0, 1) ** 0.75
    flat = 1 - 0.35 * max(0.0, -wide)
    return np.stack([lip[:, 0] * width, line * flat + parting * arch], axis=1)


def _outer_lip(
    outer: Points, inner: Points, moved: Points, follow: float, opened: float, wide: float
) -> Points:
    """The rim of a lip: follows the edge that faces it, and thickens as lips are rounded."""
    across = np.interp(outer[:, 0], inner[:, 0], moved[:, 0] - inner[:, 0])
    down = np.interp(outer[:, 0], inner[:, 0], moved[:, 1] - inner[:, 1]) * follow
    thickness = outer[:, 1] - np.interp(outer[:, 0], inner[:, 0], inner[:, 1])
    return outer + np.stack([across, down - thickness * (POUT * wide + 0.06 * opened)], axis=1)


def _jaw(jaw: Points, drop: float, reach: float) -> Points:
    """The face's outline: whole at the chin, nothing at the ears."""
    low = np.clip(jaw[:, 1] / max(float(jaw[:, 1].max()), 0.2), 0, 1) ** 1.2
    side = np.clip(1.15 - np.abs(jaw[:, 0]) / reach, 0, 1) ** 0.7
    return jaw + np.stack([np.zeros(len(jaw)), drop * low * side], axis=1)


def _chin(chin: Points, drop: float, reach: float) -> Points:
    side = np.clip(1.05 - 0.5 * np.abs(chin[:, 0]) / reach, 0, 1)
    return chin + np.stack([np.zeros(len(chin)), drop * side], axis=1)
