"""Scale, convert and blend a crop into planes.

With `>>` as floor division, and every component in 14 bits (`colour.BITS`):

1. convert each crop pixel: `(coefficients . (R, G, B) + offset) >> 9`;
2. scale along columns, then along rows: `(sum of tap * value + 2**13) >> 14`;
3. clip to the depth's range: `value = min(max(value, 0), top)`; where it is known what the
   avatar's own picture, as its engine sees it, is as a component (`seen`), give a value that is
   like it what the avatar's sample `old` has beyond it, and clip again:
   `value + (((old - seen) * like + 2**9) >> 10)`, `like` being 2**10 up to a difference of `ALIKE`
   between `value` and `seen`, and 2**10 beyond that 0;
4. blend with the avatar's sample `old`, `weight` being `-round(mask * 2**15 / 255)`:
   `old + (((old - value) * weight + 2**14) >> 15)`; of a crop that has a share `s` of 2**15 only,
   `weight` becomes `(weight * s) >> 15` before;
5. round to the depth: `(... + half) >> (14 - depth)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels import resampling
from musetalk_fast.kernels.paste_tables import Seen, Tables
from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.kernels.yuv_matrix import BITS, COEFFICIENT_BITS, Conversion

WHOLE = 1 << 15
"""The share of its weights that a crop has as a rule."""

ALIKE = 128
"""Differences up to two levels of 8 bits are those of rounding and compression."""

UNLIKE_BITS = 10
"""From there on over so much, 16 levels, a crop loses what it is given of the avatar's."""


def paste(
    tables: Tables,
    crop: NDArray[np.uint8],
    first_row: int,
    avatar: Planes,
    planes: Planes,
    share: int = WHOLE,
) -> None:
    """Paste `crop` ((rows, width, 3) uint8 RGB, from `first_row` on) onto `avatar`."""
    components = [convert(crop, tables.conversion, number) for number in range(3)]
    paste_components(tables, np.stack(components), first_row, avatar, planes, share)


def paste_components(
    tables: Tables,
    components: NDArray[Any],
    first_row: int,
    avatar: Planes,
    planes: Planes,
    share: int = WHOLE,
    seen: Seen | None = None,
) -> None:
    """As `paste`, of (3, rows, width) components in 14 bits."""
    for component in range(3):
        grid = tables.grid(component)
        values = components[component].astype(np.int32)
        values = _scale(values, grid.columns.first, grid.columns.weights)
        values = _scale(values.T, grid.rows.first - first_row, grid.rows.weights).T
        height, width = grid.weights.shape
        place = slice(grid.y, grid.y + height), slice(grid.x, grid.x + width)
        old = load(avatar.samples(component)[place], tables.layout)
        value = values.clip(0, top(tables.layout))
        if seen is not None:
            value = _given_back(value, old, seen[component].astype(np.int32))
            value = value.clip(0, top(tables.layout))
        weights = grid.weights.astype(np.int32) * share >> 15
        blended = old + (((old - value) * weights + (1 << 14)) >> 15)
        store(planes.samples(component)[place], blended, tables.layout)


def _given_back(
    value: NDArray[np.int32], old: NDArray[np.int32], seen: NDArray[np.int32]
) -> NDArray[np.int32]:
    unlike = 1 << UNLIKE_BITS
    like = unlike - (np.abs(value - seen) - ALIKE).clip(0, unlike)
    given: NDArray[np.int32] = value + ((old - seen) * like + unlike // 2 >> UNLIKE_BITS)
    return given


def convert(rgb: NDArray[np.uint8], conversion: Conversion, component: int) -> NDArray[np.int32]:
    """One component of (..., 3) uint8 RGB, in 14 bits."""
    red, green, blue = conversion.coefficients[component].tolist()
    pixels = rgb.astype(np.int32)
    total = pixels[..., 0] * red + pixels[..., 1] * green + pixels[..., 2] * blue
    scaled: NDArray[np.int32] = (total + conversion.offsets[component]) >> COEFFICIENT_BITS
    return scaled


def top(layout: PixelLayout) -> int:
    """The largest code value, in 14 bits."""
    return ((1 << layout.depth) - 1) << (BITS - layout.depth)


def load(samples: NDArray[np.uint8] | NDArray[np.uint16], layout: PixelLayout) -> NDArray[np.int32]:
    """Samples in 14 bits."""
    codes = samples.astype(np.int32) >> layout.shift & (1 << layout.depth) - 1
    return codes << (BITS - layout.depth)


def store(
    samples: NDArray[np.uint8] | NDArray[np.uint16],
    values: NDArray[np.int32],
    layout: PixelLayout,
) -> None:
    """Round values of 14 bits into samples."""
    lost = BITS - layout.depth
    samples[...] = ((values + (1 << (lost - 1))) >> lost) << layout.shift


def _scale(
    values: NDArray[np.int32], first: NDArray[np.int32], weights: NDArray[np.int16]
) -> NDArray[np.int32]:
    """Scale (rows, size) values along their columns."""
    total = np.full((len(values), len(first)), 1 << (resampling.BITS - 1), np.int32)
    for tap, weight in enumerate(weights.T.astype(np.int32)):
        total += values[:, first + tap] * weight
    return total >> resampling.BITS
