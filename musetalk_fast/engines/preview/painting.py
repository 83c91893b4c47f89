"""One crop of a posed mouth, in a single pass over the pixels that may change.

`painting_reference` is the same in plain NumPy and says what it computes; results differ by at
most one level, from the order of float32 sums.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.preview.mouth import Mouth, Posed
from musetalk_fast.engines.preview.numba_cache import compiled
from musetalk_fast.engines.preview.region import Region
from musetalk_fast.types import Crop

SEAM = 1.2
"""Pixels: half the width in which one lip's layer passes into the other's."""
SEAM_BESIDE = 6.0
"""Pixels that the seam widens by from a corner to half a mouth beyond it."""

EDGE, EDGE_SOFTNESS, EDGE_SHIFT = 1.8, 2.5, 0.3
"""Pixels, at least, in which a lip's edge covers what is behind it; how many for each of the
photo's softness (a Gaussian edge is as steep at sqrt(2 pi)); and what shows at the edge itself."""
CORNER, OWN_CORNER = 2.0, 0.14
"""Pixels in which the opening ends at its corners; and, where the photo shows what is behind
there, mouth widths."""
LEAST_GAP = 2.5
"""Pixels: narrower openings are only hinted at."""

DRAWN_AMBIENT, OWN_AMBIENT, FULL_GAP = 0.85, 0.5, 0.17
"""Teeth get this light in a closed mouth and all of it at a gap of that many widths; a photo's
own have shade in them already."""
LIP_SHADE, LIP_SHADE_REACH = 0.6, 0.06
"""Light right below the upper lip, and the mouth widths in which it becomes full."""
CORNER_SHADE = 0.55
"""Light that is missing in the corners."""

BOUNCE = 0.3
"""Of the tongue's colour: what shade is filled with, since lips throw red light into it."""

TONGUE_HALF = 0.62
"""Of half the mouth's width: the tongue's."""
TONGUE_GAP, TONGUE_BASE, TONGUE_SOFT = 0.30, 0.02, 0.12
"""The tongue's height over the lower lip: of the gap, plus mouth widths; and its soft edge."""
TONGUE_FROM, TONGUE_RANGE = 0.25, 0.28
"""It shows from a quarter of this gap on, in mouth widths, and fully at one and a quarter."""
TONGUE_STRENGTH = 0.9

_F = np.float32
_HALF, _ONE, _ZERO = _F(0.5), _F(1), _F(0)


def paint(mouth: Mouth, posed: Posed, out: Crop | None = None) -> Crop:
    """One crop, (256, 256, 3) uint8 RGB. Releases the GIL.

    Args:
        out: a contiguous array of that shape to write to; None makes one.
    """
    if out is None:
        out = np.empty_like(mouth.photo)
    out[:] = mouth.photo
    if posed.rest < 1:
        _paint_region(
            out,
            mouth.photo,
            mouth.interior.picture,
            mouth.interior.place,
            mouth.interior.gain,
            mouth.interior.tongue,
            posed.maps,
            posed.curves,
            mouth.to_mouth,
            _numbers(mouth, posed),
            mouth.region,
        )
    return out


def _numbers(mouth: Mouth, posed: Posed) -> NDArray[np.float32]:
    """What is the same for all pixels of a crop; see `_paint_region`."""
    light = ambient(posed.gap, is_own=mouth.interior.is_own)
    tip = tongue(posed.gap)
    edge, corner = edge_width(mouth), corner_width(mouth)
    return np.array(
        [posed.middle, posed.half, light, tip, posed.rest, mouth.pixels, edge, corner], _F
    )


def edge_width(mouth: Mouth) -> float:
    """Pixels in which a lip's edge covers what is behind it: as soft as the photo."""
    return max(EDGE, EDGE_SOFTNESS * mouth.softness)


def corner_width(mouth: Mouth) -> float:
    """Pixels in which the opening ends at its corners."""
    return max(CORNER, OWN_CORNER * mouth.pixels if mouth.interior.is_own else 0.0)


def ambient(gap: float, *, is_own: bool) -> float:
    """Light in a mouth that is `gap` mouth widths open."""
    least = OWN_AMBIENT if is_own else DRAWN_AMBIENT
    return least + (1 - least) * min(max(gap / FULL_GAP, 0.0), 1.0)


def tongue(gap: float) -> float:
    """How much of the tongue shows in a mouth that is `gap` mouth widths open."""
    return TONGUE_STRENGTH * min(max(gap / TONGUE_RANGE - TONGUE_FROM, 0.0), 1.0)


@numba.njit(inline="always")
def _unit(value: Any) -> Any:
    return min(max(value, _ZERO), _ONE)


@numba.njit(inline="always")
def _mix_rows(maps: Any, place: Any, out: Any) -> None:
    """The maps' values along one row of the crop: per node, both layers' (across, down)."""
    node = min(int(place), maps.shape[1] - 2)
    share = place - _F(node)
    for k in range(maps.shape[2]):
        for layer in range(2):
            for axis in range(2):
                above, below = maps[layer, node, k, axis], maps[layer, node + 1, k, axis]
                out[k, 2 * layer + axis] = above + (below - above) * share


@numba.njit(inline="always")
def _edges(curves: Any, e: Any) -> Any:
    """Both lips' edges at `e` in -1..1 from corner to corner."""
    steps = curves.shape[1] - 1
    place = min(max((e + _ONE) * (_HALF * _F(steps)), _ZERO), _F(steps))
    below = min(int(place), steps - 1)
    share = place - _F(below)
    upper = curves[0, below] + (curves[0, below + 1] - curves[0, below]) * share
    lower = curves[1, below] + (curves[1, below + 1] - curves[1, below]) * share
    return upper, lower


@numba.njit(inline="always")
def _sample(photo: Any, row_maps: Any, node: Any, share: Any, layer: Any, x: Any, y: Any) -> Any:
    """What a layer shows at a pixel: the photo, bilinear, where the layer's map points."""
    k = 2 * layer
    x += row_maps[node, k] + (row_maps[node + 1, k] - row_maps[node, k]) * share
    k += 1
    y += row_maps[node, k] + (row_maps[node + 1, k] - row_maps[node, k]) * share
    return _bilinear(photo, x, y)


@numba.njit(inline="always")
def _bilinear(photo: Any, x: Any, y: Any) -> Any:
    x = min(max(x, _ZERO), _F(photo.shape[1] - 1))
    y = min(max(y, _ZERO), _F(photo.shape[0] - 1))
    column, row = min(int(x), photo.shape[1] - 2), min(int(y), photo.shape[0] - 2)
    across, down = x - _F(column), y - _F(row)
    lower_right = across * down
    lower_left, upper_right = down - lower_right, across - lower_right
    upper_left = _ONE - across - lower_left
    red = (
        _F(photo[row, column, 0]) * upper_left
        + _F(photo[row, column + 1, 0]) * upper_right
        + _F(photo[row + 1, column, 0]) * lower_left
        + _F(photo[row + 1, column + 1, 0]) * lower_right
    )
    green = (
        _F(photo[row, column, 1]) * upper_left
        + _F(photo[row, column + 1, 1]) * upper_right
        + _F(photo[row + 1, column, 1]) * lower_left
        + _F(photo[row + 1, column + 1, 1]) * lower_right
    )
    blue = (
        _F(photo[row, column, 2]) * upper_left
        + _F(photo[row, column + 1, 2]) * upper_right
        + _F(photo[row + 1, column, 2]) * lower_left
        + _F(photo[row + 1, column + 1, 2]) * lower_right
    )
    return red, green, blue


@numba.njit(inline="always")
def _cover(
    v: Any, upper: Any, lower: Any, to_corner: Any, pixels: Any, edge: Any, corner: Any
) -> Any:
    """How much of what is behind the lips a pixel shows; `to_corner` in mouth widths."""
    return (
        _unit((v - upper) * pixels / edge + _F(EDGE_SHIFT))
        * _unit((lower - v) * pixels / edge + _F(EDGE_SHIFT))
        * _unit(to_corner * pixels / corner)
        * _unit((lower - upper) * pixels / _F(LEAST_GAP))
    )


@numba.njit(inline="always")
def _light(v: Any, upper: Any, a: Any, ambient: Any, live: Any) -> Any:
    below_lip = _unit((v - upper) / _F(LIP_SHADE_REACH))
    light = _F(LIP_SHADE) + _F(1 - LIP_SHADE) * below_lip
    light *= ambient * (_ONE - _F(CORNER_SHADE) * a * a * a)
    return _ONE - (_ONE - light) * live


@numba.njit(inline="always")
def _tongue(v: Any, upper: Any, lower: Any, e: Any) -> Any:
    high = v - (lower - _F(TONGUE_GAP) * (lower - upper) - _F(TONGUE_BASE))
    wide = e / _F(TONGUE_HALF)
    return _F(math.exp(-wide * wide)) * _unit(high / _F(TONGUE_SOFT))


@numba.njit(inline="always")
def _lit(behind: Any, tongue_colour: Any, tongue: Any, light: Any) -> Any:
    behind += (tongue_colour - behind) * tongue
    bounced = _F(BOUNCE) * tongue_colour
    return bounced + (behind - bounced) * light


@numba.njit(inline="always")
def _level(value: Any) -> Any:
    return np.uint8(min(max(value + _HALF, _ZERO), _F(255)))


@compiled
def _paint_region(
    out: NDArray[np.uint8],
    photo: NDArray[np.uint8],
    interior: NDArray[np.uint8],
    interior_place: NDArray[np.float32],
    interior_gain: NDArray[np.float32],
    tongue_colour: NDArray[np.float32],
    maps: NDArray[np.float32],
    curves: NDArray[np.float32],
    to_mouth: NDArray[np.float32],
    numbers: NDArray[np.float32],
    region: Region,
) -> None:
    """The loop over pixels.

    Args:
        numbers: middle, half, ambient light, tongue, rest, pixels to a mouth width, pixels of an
            edge and of a corner.
        region: left, right, top, bottom.
    """
    middle, half, ambient = numbers[0], numbers[1], numbers[2]
    tongue_share, live, pixels = numbers[3], _ONE - numbers[4], numbers[5]
    edge, corner = numbers[6], numbers[7]
    reach = edge * _F(EDGE_SHIFT) / pixels
    left, right, top, bottom = region.left, region.right, region.top, region.bottom
    row_maps = np.empty((maps.shape[2], 4), np.float32)
    down_step = _F(maps.shape[1] - 1) / _F(bottom - top)
    across_step = _F(maps.shape[2] - 1) / _F(right - left)
    for y in range(top, bottom + 1):
        _mix_rows(maps, _F(y - top) * down_step, row_maps)
        for x in range(left, right + 1):
            place = _F(x - left) * across_step
            node = min(int(place), maps.shape[2] - 2)
            share = place - _F(node)
            fx, fy = _F(x), _F(y)
            v = to_mouth[1, 0] * fx + to_mouth[1, 1] * fy + to_mouth[1, 2]
            e = (to_mouth[0, 0] * fx + to_mouth[0, 1] * fy + to_mouth[0, 2] - middle) / half
            a = abs(e)
            upper, lower = _edges(curves, e)
            soft = _F(SEAM) + _F(SEAM_BESIDE) * _unit(a - _ONE)
            weight = _unit((v - (upper + lower) * _HALF) * pixels / soft * _HALF + _HALF)
            red, green, blue = _ZERO, _ZERO, _ZERO
            if weight < _ONE:
                red, green, blue = _sample(photo, row_maps, node, share, 0, fx, fy)
            if weight > _ZERO:
                red2, green2, blue2 = _sample(photo, row_maps, node, share, 1, fx, fy)
                red += (red2 - red) * weight
                green += (green2 - green) * weight
                blue += (blue2 - blue) * weight
            if a < _ONE and upper - reach < v < lower + reach:
                inside = _cover(v, upper, lower, (_ONE - a) * half, pixels, edge, corner) * live
                light = _light(v, upper, a, ambient, live)
                tongue = _ZERO
                if tongue_share > _ZERO:
                    tongue = _tongue(v, upper, lower, e) * tongue_share
                ix = interior_place[0, 0] * fx + interior_place[0, 1] * fy + interior_place[0, 2]
                iy = interior_place[1, 0] * fx + interior_place[1, 1] * fy + interior_place[1, 2]
                red2, green2, blue2 = _bilinear(interior, ix, iy)
                red2, green2 = red2 * interior_gain[0], green2 * interior_gain[1]
                blue2 *= interior_gain[2]
                red += (_lit(red2, tongue_colour[0], tongue, light) - red) * inside
                green += (_lit(green2, tongue_colour[1], tongue, light) - green) * inside
                blue += (_lit(blue2, tongue_colour[2], tongue, light) - blue) * inside
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = _level(red), _level(green), _level(blue)
