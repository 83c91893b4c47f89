"""What lies behind the lips: teeth that stay with the skull, and the dark of the mouth.

A photo that shows teeth lends them; where it does not, some are drawn in its light, as soft as it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.preview.light import Light, blurred
from musetalk_fast.engines.preview.motion import FaceShape
from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.media.face.anatomy import Points
from musetalk_fast.types import CROP_SIZE, Crop

_CAVITY = (0.21, 0.09, 0.08)
_TONGUE = (0.60, 0.27, 0.25)
_TOOTH = (1.0, 0.86, 0.75)
"""RGB beside what is white; dim, as bright ones look fake."""
_DRAWN_SOFTNESS = 0.9
"""Pixels: the softness of what is drawn."""

_TEETH_REACH = 0.40
"""Half the width of the visible arch, mouth widths."""
_TOOTH_LENGTH = 0.085
"""How far the front teeth show below the resting upper lip's edge, mouth widths."""
_TOOTH_EDGES = (-0.88, -0.66, -0.39, 0.0, 0.39, 0.66, 0.88)
"""Where one tooth ends and the next begins, of half the arch."""

Layer = NDArray[np.float32]
"""(256, 256) or (256, 256, 3) float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Interior:
    """The layer behind the lips.

    Attributes:
        picture: (256, 256, 3) uint8 RGB.
        tongue: (3,) float32 RGB.
        is_own: it shows the photo's own teeth.
        place: (2, 3) float32: (column, row, 1) of the crop -> column, row of the picture.
        gain: (3,) float32: factors of its red, green and blue.
    """

    picture: Crop
    tongue: NDArray[np.float32]
    is_own: bool
    place: NDArray[np.float32] = field(default_factory=lambda: np.eye(2, 3, dtype=np.float32))
    gain: NDArray[np.float32] = field(default_factory=lambda: np.ones(3, np.float32))


def make_interior(
    photo: Crop, face: FaceShape, points: Points, space: MouthSpace, soft: float
) -> Interior:
    """Make the layer behind the lips of a face.

    Args:
        photo: the photo's own crop.
        points: (478, 2) landmarks, pixels of the picture.
        soft: pixels, see `light.softness`.
    """
    u, v = _coordinates(space)
    light = Light.of(photo, points, space)
    own = face.shows_teeth
    if own:
        teeth, weight = _own_teeth(photo, face, space, u, v)
    else:
        teeth, weight = _drawn_teeth(face, space, light, u, v)
    blur = float(np.sqrt(max(soft**2 - _DRAWN_SOFTNESS**2, 0)))
    layer = np.empty((CROP_SIZE, CROP_SIZE, 3), np.float32)
    layer[:] = light.on(_CAVITY)
    layer += (teeth - layer) * (blurred(weight, blur) if own else weight)[..., None]
    if not own:
        layer = blurred(layer, blur)
    return Interior(np.clip(layer + 0.5, 0, 255).astype(np.uint8), light.on(_TONGUE), own)


def _coordinates(space: MouthSpace) -> tuple[Layer, Layer]:
    """Coordinates of the mouth, across and down, of each pixel of the crop."""
    columns, rows = np.meshgrid(np.arange(CROP_SIZE), np.arange(CROP_SIZE))
    places = space.from_crop(np.stack([columns, rows], axis=-1).astype(np.float64))
    return places[..., 0].astype(np.float32), places[..., 1].astype(np.float32)


def _own_teeth(
    photo: Crop, face: FaceShape, space: MouthSpace, u: Layer, v: Layer
) -> tuple[Layer, Layer]:
    """The photo between its lips, continued upwards where the upper lip hides it."""
    upper, lower = face.features.upper_inner, face.features.lower_inner
    top = np.interp(u, upper[:, 0], upper[:, 1])
    bottom = np.interp(u, lower[:, 0], lower[:, 1])
    first = top + 2.2 / space.pixels
    last = np.maximum(bottom - 2.2 / space.pixels, first)
    places = np.stack([u, np.clip(v, first, last)], axis=-1).astype(np.float64)
    teeth = _sampled(photo, space.to_crop(places))
    below = np.clip((bottom - v) * space.pixels / 1.5 - 0.6, 0, 1)
    beside = np.clip((0.485 - np.abs(u)) * space.pixels / 2, 0, 1)
    return teeth, (below * beside * (v > top - 0.2)).astype(np.float32)


def _drawn_teeth(
    face: FaceShape, space: MouthSpace, light: Light, u: Layer, v: Layer
) -> tuple[Layer, Layer]:
    """Upper teeth along the resting lip: an arch that recedes into the dark at its sides."""
    upper = face.features.upper_inner
    n = np.abs(u) / _TEETH_REACH
    middle = float(np.interp(0, upper[:, 0], upper[:, 1]))
    edges = np.array(_TOOTH_EDGES) * _TEETH_REACH
    to_edge = np.abs(u[..., None] - edges).min(axis=-1)
    notch = 0.02 * np.exp(-((to_edge / 0.022) ** 2))
    bottom = middle + _TOOTH_LENGTH - 0.07 * np.clip(n, 0, 1.2) ** 2.2 - notch
    weight = np.clip((bottom - v) * space.pixels / 3 + 0.5, 0, 1) * np.clip((1 - n) / 0.4, 0, 1)
    round_off = 1 - 0.72 * np.clip(n, 0, 1) ** 1.5
    gaps = 1 - 0.10 * np.exp(-((to_edge / 0.010) ** 2))
    teeth = light.on(_TOOTH) * (round_off * gaps)[..., None]
    return teeth.astype(np.float32), weight.astype(np.float32)


def _sampled(photo: Crop, places: Points) -> Layer:
    """Bilinear samples of a crop at (..., 2) columns and rows."""
    x, y = np.clip(places[..., 0], 0, CROP_SIZE - 1), np.clip(places[..., 1], 0, CROP_SIZE - 1)
    left, top = (np.minimum(each.astype(np.intp), CROP_SIZE - 2) for each in (x, y))
    across, down = (x - left)[..., None], (y - top)[..., None]
    upper = photo[top, left] * (1 - across) + photo[top, left + 1] * across
    lower = photo[top + 1, left] * (1 - across) + photo[top + 1, left + 1] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)
