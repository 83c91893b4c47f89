"""Where a head's movement carries its mouth: the same mouth space in every frame of a clip.

The clip's own speech moves lips and jaw, blinks move the lids: none of them says where the head is.
The rest of the face is rigid, and the mesh has its depth. So a frame's head is the reference
frame's, turned, scaled and shifted in space (W. Kabsch, "A solution for the best rotation to relate
two sets of vectors", 1976; scale as in S. Umeyama, 1991).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.media.face.anatomy import (
    CHIN_TIP,
    LOWER_INNER,
    LOWER_OUTER,
    UPPER_INNER,
    UPPER_OUTER,
    Points,
)
from musetalk_fast.types import Box

RIGID = (
    *(1, 2, 4, 5, 6, 19, 94, 168, 195, 197),  # the nose's ridge and base
    *(64, 98, 97, 326, 327, 294, 129, 358, 48, 278),  # its wings
    *(33, 133, 362, 263),  # corners of the eyes
    *(127, 356, 162, 389, 234, 454, 21, 251),  # temples
    *(117, 346, 123, 352),  # cheek bones
    *(10, 109, 338, 67, 297, 151, 9, 8),  # forehead
)
"""Points that neither speech nor blinks move."""

_MOUTH = sorted({*UPPER_OUTER, *UPPER_INNER, *LOWER_INNER, *LOWER_OUTER, CHIN_TIP})

Mesh = NDArray[np.float64]
"""(478, 3) float64: x, y in pixels of the picture, and depth in the same unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The head of the reference frame.

    Attributes:
        mesh: its landmarks.
        space: the coordinates of its mouth.
        slope, depth: of the plane in which its mouth lies: (2,) depth to a pixel across and down,
            and at the picture's corner.
    """

    mesh: Mesh
    space: MouthSpace
    slope: NDArray[np.float64]
    depth: float

    @staticmethod
    def of(mesh: Mesh, space: MouthSpace) -> Head:
        """The head of a frame whose landmarks are `mesh`."""
        mouth = mesh[_MOUTH]
        flat = np.concatenate([mouth[:, :2], np.ones((len(mouth), 1))], axis=1)
        across, down, depth = np.linalg.lstsq(flat, mouth[:, 2], rcond=None)[0]
        return Head(mesh, space, np.array([across, down]), float(depth))

    def moved(self, mesh: Mesh, box: Box) -> tuple[MouthSpace, Points]:
        """The head in another frame.

        Args:
            mesh: that frame's landmarks.
            box: MuseTalk's box there.

        Returns:
            The coordinates of its mouth there; and where all (478, 2) points of the reference frame
            are there, if only the head has moved, pixels of the picture.
        """
        turn, shift = _motion(self.mesh[list(RIGID)], mesh[list(RIGID)])
        linear = turn[:2, :2] + np.outer(turn[:2, 2], self.slope)
        origin = linear @ self.space.origin + turn[:2, 2] * self.depth + shift[:2]
        space = MouthSpace(origin, self.space.axes @ linear.T, box)
        return space, self.mesh @ turn[:2].T + shift[:2]


def _motion(one: Mesh, other: Mesh) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The turn with its scale (3, 3), and the shift (3,), that best carry `one` to `other`."""
    middle, there = one.mean(axis=0), other.mean(axis=0)
    centred = one - middle
    u, spread, v = np.linalg.svd((other - there).T @ centred)
    mirrored = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
    scale = float(spread @ mirrored) / max(float((centred**2).sum()), 1e-9)
    turn = scale * (u * mirrored) @ v
    return turn, there - turn @ middle
