"""Two spline warps, one a lip, solved once for a grid of poses.

Maps go backwards: from a place in the crop to where the photo shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import CancelCheck
from musetalk_fast.engines.preview.motion import LIP_LINE, FaceShape, Features, inside_lips, posed
from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.engines.preview.region import NODES, Region
from musetalk_fast.engines.preview.spline import Knots, Members, bending
from musetalk_fast.media.face.anatomy import Points

OPENINGS = np.linspace(0, 1, 7)
WIDTHS = np.linspace(-1, 1, 5)

CURVE_POINTS = 65
"""Samples of a lip's edge from corner to corner."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """Every pose of a mouth, to be interpolated.

    Attributes:
        maps: (7, 5, 2, NODES, NODES, 2) float32: for open x wide, for the upper and the lower
            lip's layer, what to add to a place of the crop (columns, rows) to find its source.
        curves: (7, 5, 2, CURVE_POINTS) float32: the edges of the upper and the lower lip from
            corner to corner, mouth widths down.
        corners: (7, 5, 2) float32: middle and half of the mouth's width, mouth widths across.
    """

    maps: Floats
    curves: Floats
    corners: Floats


def build_atlas(
    face: FaceShape,
    space: MouthSpace,
    region: Region,
    free: NDArray[np.float64],
    check: CancelCheck,
) -> Atlas:
    """Solve all poses of a face.

    Args:
        free: (NODES, NODES), how much of its movement each node may make.
        check: called before each pose; may raise to stop.
    """
    columns, rows = region.nodes()
    nodes = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    places = space.from_crop(nodes)
    to_pixels = space.to_crop(np.eye(2)) - space.to_crop(np.zeros((2, 2)))
    visible = inside_lips(face)
    still = np.concatenate([face.still, space.from_crop(_frame(region))])
    sources, layers = _joined(visible, still)
    unmoved = bending(places, still)
    shape = (len(OPENINGS), len(WIDTHS))
    maps = np.empty((*shape, 2, NODES * NODES, 2), np.float32)
    curves = np.empty((*shape, 2, CURVE_POINTS), np.float32)
    corners = np.empty((*shape, 2), np.float32)
    for at in np.ndindex(shape):
        pose = posed(face, float(OPENINGS[at[0]]), float(WIDTHS[at[1]]))
        knots = Knots.of(_joined(pose, still)[0], places, unmoved)
        for layer, members in enumerate(layers):
            check()
            moved = knots.displacement(sources, members)
            maps[(*at, layer)] = (moved @ to_pixels) * free.reshape(-1, 1)
        curves[at], corners[at] = lip_curves(pose, LIP_LINE * face.parted)
    return Atlas(maps.reshape(*shape, 2, NODES, NODES, 2), curves, corners)


def _joined(face: Features, still: Points) -> tuple[Points, tuple[Members, Members]]:
    """All knots of a face, those that never move last; and which the upper and the lower lip has.

    Of knots on top of one another a lip keeps the first: its own edge.
    """
    upper, lower = (
        (face.upper_inner, face.upper_outer),
        (face.lower_inner, face.lower_outer),
    )
    parts = [*upper, *lower, face.jaw, face.chin, still]
    ends = np.cumsum([0, *map(len, parts)])
    numbers = np.arange(ends[-1])
    common = numbers[ends[4] :]
    layers = (numbers[: ends[2]], numbers[ends[2] : ends[4]])
    own = [np.concatenate([layer, common]) for layer in layers]
    return np.concatenate(parts), (own[0], own[1])


def lip_curves(pose: Features, least: float = 0.0) -> tuple[Floats, Floats]:
    """The inner edges, (2, CURVE_POINTS), and the mouth's (middle, half width).

    Args:
        least: mouth widths that stay between them.
    """
    ends = (pose.upper_inner[[0, -1], 0] + pose.lower_inner[[0, -1], 0]) / 2
    middle, half = float(ends.mean()), float(ends[1] - ends[0]) / 2
    across = np.linspace(middle - half, middle + half, CURVE_POINTS)
    edges = [_smooth(across, lip) for lip in (pose.upper_inner, pose.lower_inner)]
    more = np.clip(least - (edges[1] - edges[0]), 0, None) / 2
    curves = np.stack([edges[0] - more, edges[1] + more])
    return curves.astype(np.float32), np.array([middle, half], np.float32)


def _smooth(across: NDArray[np.float64], lip: Points) -> NDArray[np.float64]:
    """A lip's edge through its points: a cubic Hermite spline with central slopes."""
    x, y = lip[:, 0], lip[:, 1]
    slope = np.gradient(y, x)
    right = np.clip(np.searchsorted(x, across), 1, len(x) - 1)
    left = right - 1
    step = x[right] - x[left]
    t = np.clip((across - x[left]) / step, 0, 1)
    rise = t * t * (3 - 2 * t)
    ease = t * (1 - t) * step
    bend = slope[left] * (1 - t) - slope[right] * t
    return np.asarray(y[left] * (1 - rise) + y[right] * rise + ease * bend)


def _frame(region: Region) -> Points:
    """Places around the crop that hold the warp still."""
    margin = 0.15 * (region.right - region.left)
    x = np.linspace(region.left - margin, region.right + margin, 7)
    top, bottom = region.top - 2 * margin, region.bottom + margin
    y = np.linspace(top, bottom, 5)[1:-1]
    edges = [np.stack([x, np.full(7, edge)], axis=1) for edge in (top, bottom)]
    sides = [np.stack([np.full(3, x[end]), y], axis=1) for end in (0, -1)]
    return np.concatenate(edges + sides)
