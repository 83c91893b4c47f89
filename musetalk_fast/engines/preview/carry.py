"""The reference frame's poses, carried by the mesh to each frame of a clip.

What a pose shows at a place of a frame: from there back to the reference frame's head (`head`), by
the pose's map to where its mouth lies at rest, and from there along with the mesh to where this
frame's own mouth, which may be speaking, has that piece of skin. So the crop is made of the frame's
own pixels, and the mouth moves with the head and with the new speech only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from musetalk_fast.engines.preview.carry_maps import Affine, Frames, carried_maps
from musetalk_fast.engines.preview.head import Head, Mesh
from musetalk_fast.engines.preview.mouth import Posed
from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.engines.preview.region import NODES, Region, freedom, region_of
from musetalk_fast.engines.preview.spline import influence
from musetalk_fast.engines.preview.warp import Floats
from musetalk_fast.media.face.anatomy import (
    CHIN,
    JAW,
    LOWER_INNER,
    LOWER_OUTER,
    STILL,
    UPPER_INNER,
    UPPER_OUTER,
    Points,
)
from musetalk_fast.types import Box

_COMMON = (*JAW, *CHIN, *STILL)
_KNOTS = ((*UPPER_INNER, *UPPER_OUTER, *_COMMON), (*LOWER_INNER, *LOWER_OUTER, *_COMMON))
"""Points that carry the upper and the lower lip's layer."""
_STIFFNESS = 1e-3
"""Squared mouth widths: evens out what the mesh's points tremble from frame to frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """A frame's mouth.

    Attributes:
        space: its coordinates: those of the reference frame's mouth, where the head is now.
        region: the part of the crop that may change.
        moved: (2, NODES, NODES, 2) float32, for both layers and each node of the reference frame's
            region: how far the frame's own face has moved what is there, mouth widths.
        turned: the same for the head alone.
        free: (NODES, NODES): how much of its movement each node of `region` may make.
    """

    space: MouthSpace
    region: Region
    moved: Floats
    turned: Floats
    free: Points


class Carrier:
    """Carries poses from a clip's reference frame to its other frames.

    Args:
        head: of the reference frame.
        region: of its crop.
    """

    def __init__(self, head: Head, region: Region) -> None:
        self._head = head
        self._region = region
        flat = head.space.from_picture(head.mesh[:, :2])
        nodes = head.space.from_crop(_grid(region))
        self._places = flat
        self._to_nodes = _affine(self._node)
        self._to_units = np.asarray(np.linalg.inv(_to_pixels(head.space)), np.float64)
        self._reach = [influence(flat[list(knots)], nodes, _STIFFNESS) for knots in _KNOTS]

    def to_frame(self, mesh: Mesh, box: Box) -> Carried:
        """Where a frame's head and face have moved to, from its landmarks and its box."""
        space, rigid = self._head.moved(mesh, box)
        region = region_of(rigid, space)
        both = np.concatenate([space.from_picture(mesh[:, :2]), space.from_picture(rigid)], axis=1)
        moved, turned = self._spread(both - np.tile(self._places, 2))
        free = freedom(rigid, space, region)
        return Carried(space, region, moved, turned, free)

    def maps(self, posed: Posed, frame: Carried) -> Floats:
        """The maps of a pose of the reference frame (see `warp.Atlas`), for a frame's region."""
        out = np.empty_like(posed.maps)
        carried_maps(posed.maps, frame.turned, frame.moved, frame.free, self.frames(frame), out)
        return out

    def frames(self, frame: Carried) -> Frames:
        """The coordinates of a frame and of the reference frame."""
        to_mouth = _affine(frame.space.from_crop)
        to_pixels = _to_pixels(frame.space)
        return Frames(*frame.region.nodes(), to_mouth, self._to_nodes, self._to_units, to_pixels)

    def _node(self, place: Points) -> Points:
        """A place of the reference frame's mouth -> columns and rows of its region's nodes."""
        left, right, top, bottom = self._region
        corner, size = np.array([left, top]), np.array([right - left, bottom - top])
        return np.asarray((self._head.space.to_crop(place) - corner) * ((NODES - 1) / size))

    def _spread(self, motions: Points) -> tuple[Floats, Floats]:
        """Two motions of the landmarks, side by side -> both at the nodes of the region."""
        layers = [
            reach @ motions[list(knots)] for reach, knots in zip(self._reach, _KNOTS, strict=True)
        ]
        spread = np.stack(layers).reshape(2, NODES, NODES, 4).astype(np.float32)
        return np.ascontiguousarray(spread[..., :2]), np.ascontiguousarray(spread[..., 2:])


def _grid(region: Region) -> Points:
    columns, rows = region.nodes()
    return np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)


def _affine(mapped: Callable[[Points], Points]) -> Affine:
    """(2, 3): what an affine function does to (across, down, 1)."""
    origin, across, down = mapped(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    return np.stack([across - origin, down - origin, origin], axis=1)


def _to_pixels(space: MouthSpace) -> Points:
    """(2, 2): mouth widths -> pixels of the crop."""
    return space.to_crop(np.eye(2)) - space.to_crop(np.zeros((2, 2)))
