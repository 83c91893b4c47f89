"""HDR to SDR by a table, and crops back.

With `>>` as floor division, codes masked to 10 bits:

1. `f = axis[cb]`, `g = axis[cr]`; the cell is `(f >> 5) * side + (g >> 5)`, the weights of its
   corners are the products of `32 - f % 32` or `f % 32` with `32 - g % 32` or `g % 32`;
2. a sample is `(sum of weight * value + 2**15) >> 16`: 10 bits of the weights, and from 14 bits of
   a component to 8. Luma has its own code; chroma the sum of its four luma codes, `>> 4`.

A crop's pixel has, by its red, green and blue level, a node, `axis >> 6`, and a place up to the
next one, 0 to 32: `axis & 63`. A component is `(sum of weight * value + 2**14) >> 15` over the
eight nodes around it, weights being the products of `32 - place` or `place`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import Planes
from musetalk_fast.kernels.yuv_matrix import BITS

CODES = 1 << 10
FRACTION_BITS = 5
COLOUR_SHIFT = 2
"""Of the luma code, for chroma."""

NODES = 33
"""Along each axis of a crop's table."""

PLACE_BITS = 6

_SHIFT = 2 * FRACTION_BITS + BITS - 8


def tone_map(
    side: int,
    axis: NDArray[np.uint16],
    luma: NDArray[np.int16],
    colour: NDArray[np.int16],
    source: Planes,
    target: Planes,
) -> None:
    """Map `source` into `target`; the arrays are those of `tone_map.ToneTable`."""
    codes = [
        (source.samples(number) >> source.layout.shift & CODES - 1).astype(np.int64)
        for number in range(3)
    ]
    (cells_cb, f), (cells_cr, g) = (
        np.divmod(axis[chroma], 1 << FRACTION_BITS) for chroma in codes[1:]
    )
    cells = cells_cb.astype(np.int64) * side + cells_cr
    weights = _weights(f.astype(np.int64), g.astype(np.int64))
    means = np.zeros(cells.shape, np.int64)
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        own = codes[0][y::2, x::2]
        means += own
        target.samples(0)[y::2, x::2] = _mixed(luma[cells, own], weights)
    found = colour[cells, means >> 2 + COLOUR_SHIFT]
    for number in (1, 2):
        target.samples(number)[...] = _mixed(found[..., number - 1, :], weights)


def _weights(f: NDArray[np.int64], g: NDArray[np.int64]) -> NDArray[np.int64]:
    """(..., 4): of a cell's corners."""
    whole = 1 << FRACTION_BITS
    return np.stack([(whole - f) * (whole - g), f * (whole - g), (whole - f) * g, f * g], axis=-1)


def _mixed(corners: NDArray[np.int16], weights: NDArray[np.int64]) -> NDArray[np.uint8]:
    total = (corners * weights).sum(axis=-1) + (1 << _SHIFT - 1)
    codes: NDArray[np.uint8] = (total >> _SHIFT).astype(np.uint8)
    return codes


def crop_map(
    axis: NDArray[np.uint16],
    nodes: NDArray[np.int16],
    rgb: NDArray[np.uint8],
    components: NDArray[np.int16],
) -> None:
    """Map (n, 3) `rgb` into (3, n) `components`; the others are those of `tone_map.CropTable`."""
    node, place = np.divmod(axis[rgb].astype(np.int64), 1 << PLACE_BITS)
    whole = 1 << FRACTION_BITS
    total = np.full((len(rgb), 3), 1 << 3 * FRACTION_BITS - 1, np.int64)
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(corner, place, whole - place).prod(axis=1)
        at = tuple((node + corner).T)
        total += nodes[at][:, :3] * weight[:, None]
    components[...] = (total >> 3 * FRACTION_BITS).T
