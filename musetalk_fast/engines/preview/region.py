"""Which rectangle of a crop may change, and how freely each place of it may move."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.media.face.anatomy import JAW, NOSE_BASE, NOSE_TIP, UPPER_OUTER, Points
from musetalk_fast.types import CROP_SIZE

NODES = 33
"""Nodes of the maps along each side."""

_SIDE_FADE = 0.12
"""Of the width: where movement dies away towards the box's sides."""


class Region(NamedTuple):
    """Columns and rows `[left, right]`, `[top, bottom]` of the crop, both ends included."""

    left: int
    right: int
    top: int
    bottom: int

    def nodes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Columns and rows of the maps' nodes: the outermost lie on the border."""
        return np.linspace(self.left, self.right, NODES), np.linspace(self.top, self.bottom, NODES)


def region_of(points: Points, space: MouthSpace) -> Region:
    """Everything below the nose; a tilted head's nose is lowest where its mouth is highest."""
    places = space.to_crop(space.from_picture(points))
    tip, base = places[NOSE_TIP, 1], places[NOSE_BASE, 1]
    lip = float(places[list(UPPER_OUTER), 1].min())
    top = min((tip + base) / 2, lip - 0.5 * (lip - tip))
    return Region(0, CROP_SIZE - 1, int(np.clip(top, 0, CROP_SIZE - 3)), CROP_SIZE - 1)


def freedom(points: Points, space: MouthSpace, region: Region) -> NDArray[np.float64]:
    """How much of its movement each node may make: (NODES, NODES), 0 on the border.

    So the region's border always shows the photo, and a pasted crop has no seam. Below, the
    picture gives way between chin and border; a chin close to the border moves less.
    """
    columns, rows = region.nodes()
    places = space.to_crop(space.from_picture(points))
    lip = float(places[list(UPPER_OUTER), 1].min())
    chin = float(places[list(JAW), 1].max())
    above = _rise(rows - region.top, max(0.8 * (lip - region.top), 4.0))
    below = _rise(region.bottom - rows, max(region.bottom - chin, 0.06 * CROP_SIZE))
    side = _SIDE_FADE * (region.right - region.left)
    beside = _rise(columns - region.left, side) * _rise(region.right - columns, side)
    return (above * below)[:, None] * beside[None, :]


def _rise(distance: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """From 0 at the border to 1 at `length`, without a kink."""
    t = np.clip(distance / length, 0, 1)
    return t * t * (3 - 2 * t)
