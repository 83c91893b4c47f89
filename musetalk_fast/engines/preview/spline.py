"""Thin-plate splines: the smoothest way to carry some points of a plane to others.

Source: F. L. Bookstein, "Principal Warps: Thin-Plate Splines and the Decomposition of
Deformations", 1989.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.face.anatomy import Points

_STIFFNESS = 1e-4
"""Regularisation in squared mouth widths: landmarks are exact to about a hundredth of one."""
_SAME_PLACE = 0.02
"""Mouth widths: of points closer than this one is enough."""

Members = NDArray[np.intp]
"""Numbers of some knots, in rising order."""


@dataclass(frozen=True, slots=True, eq=False)
class Knots:
    """Knots of several splines that share most of them, for the same places.

    Attributes:
        points: (n, 2) all knots.
        places: (m, 2) where the splines' displacements are wanted.
        apart: (n, n) squared distances.
        system: (n, n) the bending of each knot at each other.
        reach: (m, n) at each place.
    """

    points: Points
    places: Points
    apart: NDArray[np.float64]
    system: NDArray[np.float64]
    reach: NDArray[np.float64]

    @staticmethod
    def of(points: Points, places: Points, unmoved: NDArray[np.float64]) -> Knots:
        """Knots and places.

        Args:
            unmoved: (m, k) the last k knots' bending at the places, where it is known already.
        """
        moving = points[: len(points) - unmoved.shape[1]]
        apart = _squared(points, points)
        reach = np.concatenate([bending(places, moving), unmoved], axis=1)
        return Knots(points, places, apart, _bent(apart), reach)

    def displacement(self, targets: Points, members: Members) -> Points:
        """The spline that carries `members` of the knots to theirs of `targets`, less identity."""
        close = np.tril(self.apart[np.ix_(members, members)] < _SAME_PLACE**2, -1).any(axis=1)
        members = members[~close]
        knots, count = self.points[members], len(members)
        values = np.zeros((count + 3, 2))
        values[:count] = targets[members] - knots
        system = _system(self.system[np.ix_(members, members)], knots, _STIFFNESS)
        weights = np.linalg.solve(system, values)
        # Those that are no members weigh nothing: cheaper than to leave their columns out.
        bent = np.zeros((len(self.points), 2))
        bent[members] = weights[:count]
        return np.asarray(self.reach @ bent + _affine(self.places) @ weights[count:])


def displacement(knots: Points, targets: Points, places: Points) -> Points:
    """The spline that carries `knots` to `targets`, less identity, at `places`."""
    none = np.empty((len(places), 0))
    return Knots.of(knots, places, none).displacement(targets, np.arange(len(knots)))


def influence(knots: Points, places: Points, stiffness: float) -> NDArray[np.float64]:
    """What the same spline does at each of `places` for each of `knots`: (places, knots).

    So that many sets of targets of the same knots cost one product each. Knots on top of others
    have none.
    """
    apart = _squared(knots, knots)
    keep = np.flatnonzero(~np.tril(apart < _SAME_PLACE**2, -1).any(axis=1))
    count = len(keep)
    system = _system(_bent(apart[np.ix_(keep, keep)]), knots[keep], stiffness)
    weights = np.linalg.inv(system)[:, :count]
    reach = bending(places, knots[keep]) @ weights[:count] + _affine(places) @ weights[count:]
    out = np.zeros((len(places), len(knots)))
    out[:, keep] = reach
    return out


def bending(places: Points, knots: Points) -> NDArray[np.float64]:
    """r^2 log r between each place and each knot: (places, knots)."""
    return _bent(_squared(places, knots))


def _system(bent: NDArray[np.float64], knots: Points, stiffness: float) -> NDArray[np.float64]:
    """The spline's equations."""
    count = len(knots)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = bent + stiffness * np.eye(count)
    system[:count, count:] = _affine(knots)
    system[count:, :count] = system[:count, count:].T
    return system


def _squared(places: Points, knots: Points) -> NDArray[np.float64]:
    across = places[:, 0, None] - knots[None, :, 0]
    down = places[:, 1, None] - knots[None, :, 1]
    across *= across
    down *= down
    across += down
    return np.asarray(across)


def _bent(squared: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.log(squared + 1e-12)
    out *= squared
    out *= 0.5
    return np.asarray(out)


def _affine(places: Points) -> Points:
    return np.concatenate([np.ones((len(places), 1)), places], axis=1)
