"""Two thin-plate-spline warps, one a lip, solved once for a grid of poses.

Source: F. L. Bookstein, "Principal Warps: Thin-Plate Splines and the Decomposition of
Deformations", 1989. Maps go backwards: from a place in the crop to where the photo shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import CancelCheck
from musetalk_fast.engines.preview.motion import LIP_LINE, FaceShape, Features, inside_lips, posed
from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.engines.preview.region import NODES, Region
from musetalk_fast.media.face.anatomy import Points

OPENINGS = np.linspace(0, 1, 7)
WIDTHS = np.linspace(-1, 1, 5)

CURVE_POINTS = 65
"""Samples of a lip's edge from corner to corner."""

_STIFFNESS = 1e-4
"""Regularisation in squared mouth widths: landmarks are exact to about a hundredth of one."""
_SAME_PLACE = 0.02
"""Mouth widths: of points closer than this one is enough."""

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
    shape = (len(OPENINGS), len(WIDTHS))
    maps = np.empty((*shape, 2, NODES * NODES, 2), np.float32)
    curves = np.empty((*shape, 2, CURVE_POINTS), np.float32)
    corners = np.empty((*shape, 2), np.float32)
    for at in np.ndindex(shape):
        pose = posed(face, float(OPENINGS[at[0]]), float(WIDTHS[at[1]]))
        for layer, (source, target) in enumerate(_layers(visible, pose, still)):
            check()
            moved = displacement(target, source, places)
            maps[(*at, layer)] = (moved @ to_pixels) * free.reshape(-1, 1)
        curves[at], corners[at] = lip_curves(pose, LIP_LINE * face.parted)
    return Atlas(maps.reshape(*shape, 2, NODES, NODES, 2), curves, corners)


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


def displacement(knots: Points, targets: Points, places: Points) -> Points:
    """The thin-plate spline that carries `knots` to `targets`, less identity, at `places`."""
    keep = _apart(knots)
    knots, targets = knots[keep], targets[keep]
    count = len(knots)
    values = np.zeros((count + 3, 2))
    values[:count] = targets - knots
    weights = np.linalg.solve(_system(knots, _STIFFNESS), values)
    return _bending(places, knots) @ weights[:count] + _affine(places) @ weights[count:]


def influence(knots: Points, places: Points, stiffness: float) -> NDArray[np.float64]:
    """What the same spline does at each of `places` for each of `knots`: (places, knots).

    So that many sets of targets of the same knots cost one product each. Knots on top of others
    have none.
    """
    keep = _apart(knots)
    count = len(keep)
    weights = np.linalg.inv(_system(knots[keep], stiffness))[:, :count]
    reach = _bending(places, knots[keep]) @ weights[:count] + _affine(places) @ weights[count:]
    out = np.zeros((len(places), len(knots)))
    out[:, keep] = reach
    return out


def _system(knots: Points, stiffness: float) -> NDArray[np.float64]:
    """The spline's equations."""
    count = len(knots)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bending(knots, knots) + stiffness * np.eye(count)
    system[:count, count:] = _affine(knots)
    system[count:, :count] = system[:count, count:].T
    return system


def _layers(
    rest: Features, pose: Features, still: Points
) -> tuple[tuple[Points, Points], tuple[Points, Points]]:
    """(where in the photo, where in the pose) for the upper and the lower lip's layer."""

    def upper(face: Features) -> Points:
        parts = [face.upper_inner, face.upper_outer, face.jaw, face.chin, still]
        return np.concatenate(parts)

    def lower(face: Features) -> Points:
        parts = [face.lower_inner, face.lower_outer, face.jaw, face.chin, still]
        return np.concatenate(parts)

    return (upper(rest), upper(pose)), (lower(rest), lower(pose))


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


def _apart(knots: Points) -> NDArray[np.intp]:
    """Knots that are not on top of an earlier one: two would make a kink."""
    distance = ((knots[:, None] - knots[None]) ** 2).sum(axis=-1)
    close = np.tril(distance < _SAME_PLACE**2, -1).any(axis=1)
    return np.flatnonzero(~close)


def _bending(places: Points, knots: Points) -> NDArray[np.float64]:
    """r^2 log r between each place and each knot."""
    across = places[:, 0, None] - knots[None, :, 0]
    down = places[:, 1, None] - knots[None, :, 1]
    squared = across * across + down * down
    return np.asarray(0.5 * squared * np.log(squared + 1e-12))


def _affine(places: Points) -> Points:
    return np.concatenate([np.ones((len(places), 1)), places], axis=1)
