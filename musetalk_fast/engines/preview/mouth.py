"""A face that is ready to speak, and one pose of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import CancelCheck, never_cancelled
from musetalk_fast.engines.preview.crop import photo_crop
from musetalk_fast.engines.preview.interior import Interior, make_interior
from musetalk_fast.engines.preview.light import softness
from musetalk_fast.engines.preview.motion import FaceShape
from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.engines.preview.region import NODES, Region, freedom, region_of
from musetalk_fast.engines.preview.warp import (
    OPENINGS,
    WIDTHS,
    Atlas,
    Floats,
    build_atlas,
    lip_curves,
)
from musetalk_fast.types import Box, Crop, Picture


class MouthPose(NamedTuple):
    """What a mouth does: `open` 0..1, `wide` -1 (rounded)..1 (spread), `rest` 1 = in a pause.

    Lips rest as in the photo, or together if that shows them parted.
    """

    open: float
    wide: float
    rest: float


@dataclass(frozen=True, slots=True, eq=False)
class Mouth:
    """All that a frame needs of a face.

    Attributes:
        photo: (256, 256, 3) uint8 RGB: what the crop shows at rest.
        interior: what lies behind the lips.
        atlas: the poses.
        curves, corners: of the photo's own expression, as in the atlas.
        parted: 0..1: how far a pause closes its lips, see `FaceShape.parted`.
        region: the part of the crop that changes.
        to_mouth: (2, 3) float32: (column, row, 1) of the crop -> mouth widths across, down.
        pixels: of the crop to a mouth width.
        softness: of the photo's edges, see `light.softness`.
    """

    photo: Crop
    interior: Interior
    atlas: Atlas
    curves: Floats
    corners: Floats
    parted: float
    region: Region
    to_mouth: Floats
    pixels: float
    softness: float


class Posed(NamedTuple):
    """One pose, interpolated: the kernel's input.

    Attributes:
        maps: (2, NODES, NODES, 2) float32, see `Atlas`.
        curves: (2, CURVE_POINTS) float32, mouth widths.
        middle, half: of the mouth, mouth widths across.
        gap: between the lips' middles, mouth widths.
        rest: 0..1: how much of the photo's own expression it has.
    """

    maps: Floats
    curves: Floats
    middle: float
    half: float
    gap: float
    rest: float


def make_mouth(
    picture: Picture, points: NDArray[np.float32], box: Box, check: CancelCheck = never_cancelled
) -> Mouth:
    """Prepare a face: about a third of a second.

    Args:
        picture: (H, W, 3) uint8 RGB.
        points: (478, 2 or 3) landmarks, pixels of the picture.
        box: MuseTalk's box.
        check: called before each of the atlas's poses; may raise to stop.
    """
    return mouth_of(photo_crop(picture, box), points, box, check)


def mouth_of(
    photo: Crop, points: NDArray[np.float32], box: Box, check: CancelCheck, *, fades: bool = True
) -> Mouth:
    """Prepare the face of a crop.

    Args:
        photo: (256, 256, 3) uint8 RGB: the box, scaled to a crop.
        points: (478, 2 or 3) landmarks, pixels of the picture.
        box: MuseTalk's box.
        check: as in `make_mouth`.
        fades: movement dies away towards the border of the region, see `region.freedom`.
    """
    flat = points[:, :2].astype(np.float64)
    space = MouthSpace.of(flat, box)
    face = FaceShape.of(flat, space)
    region = region_of(flat, space)
    free = freedom(flat, space, region) if fades else np.ones((NODES, NODES))
    atlas = build_atlas(face, space, region, free, check)
    check()
    soft = softness(photo)
    interior = make_interior(photo, face, flat, space, soft)
    curves, corners = lip_curves(face.features)
    check()
    return Mouth(
        photo,
        interior,
        atlas,
        curves,
        corners,
        face.parted,
        region,
        affine_of(space),
        space.pixels,
        soft,
    )


def pose_mouth(mouth: Mouth, pose: MouthPose) -> Posed:
    """Interpolate the atlas between its four nearest poses, then towards the photo."""
    rest = min(max(pose.rest, 0.0), 1.0)
    moved = 1 - rest * mouth.parted
    pose = MouthPose(pose.open * moved, pose.wide * moved, 0.0)
    rest *= 1 - mouth.parted
    corners = _mixed(mouth.atlas.corners, pose, mouth.corners, rest)
    curves = _mixed(mouth.atlas.curves, pose, mouth.curves, rest)
    maps = _mixed(mouth.atlas.maps, pose, None, rest)
    middle = curves.shape[1] // 2
    gap = float(curves[1, middle] - curves[0, middle])
    return Posed(maps, curves, float(corners[0]), float(corners[1]), gap, rest)


def _mixed(table: Floats, pose: MouthPose, at_rest: Floats | None, rest: float) -> Floats:
    row, down = _between(pose.open, OPENINGS)
    column, across = _between(pose.wide, WIDTHS)
    live = 1 - rest
    out = table[row, column] * np.float32((1 - down) * (1 - across) * live)
    out += table[row + 1, column] * np.float32(down * (1 - across) * live)
    out += table[row, column + 1] * np.float32((1 - down) * across * live)
    out += table[row + 1, column + 1] * np.float32(down * across * live)
    if at_rest is not None:
        out += at_rest * np.float32(rest)
    return np.asarray(out)


def _between(value: float, steps: NDArray[np.float64]) -> tuple[int, float]:
    """The even step below a value, and how far it is on the way to the next."""
    low, high = float(steps[0]), float(steps[-1])
    place = (min(max(value, low), high) - low) / (high - low) * (len(steps) - 1)
    below = min(int(place), len(steps) - 2)
    return below, place - below


def affine_of(space: MouthSpace) -> Floats:
    """(2, 3) float32: (column, row, 1) of the crop -> mouth widths across, down."""
    origin, column, row = space.from_crop(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    return np.stack([column - origin, row - origin, origin], axis=1).astype(np.float32)
