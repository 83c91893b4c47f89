"""The plain-NumPy form of `kernels.rgb`: chroma is enlarged across, then down, then converted."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.types import Picture

ACROSS_BITS, DOWN_BITS = 14, 12
"""Of the weights, whose sums are 1."""
ACROSS, DOWN = (-461, 3943, 14284, -1382), (-115, 985, 3572, -346)
"""Keys' cubic with a = -0.6, FFmpeg's `bicubic`, a quarter of a sample before the third of four; a
quarter behind the second they are the same from behind."""
ROW_BITS = 15
"""Of a row that is enlarged across; it is cut off at both ends of that."""
COEFFICIENT_BITS = 13
VALUE_BITS = 9
"""Below a level of 8 bits, before the conversion."""

Samples = NDArray[np.uint8]
Values = NDArray[np.int64]


class Inverse(NamedTuple):
    """Coefficients of `COEFFICIENT_BITS`: what luma (from `black` on) and chroma come to in RGB."""

    black: int
    luma: int
    cr_to_red: int
    cb_to_green: int
    cr_to_green: int
    cb_to_blue: int


def to_rgb(
    luma: Samples, cb: Samples, cr: Samples, left: int, top: int, inverse: Inverse, rgb: Picture
) -> None:
    """Write the pixels from (left, top) on of a frame of 4:2:0, as many as `rgb` has."""
    rows = slice(top, top + rgb.shape[0])
    columns = slice(left, left + rgb.shape[1])
    v, u = (_enlarged(plane)[rows, columns] for plane in (cr, cb))
    y = (luma[rows, columns].astype(np.int64) - inverse.black) << VALUE_BITS
    y = y * inverse.luma + (1 << (VALUE_BITS + COEFFICIENT_BITS - 1))
    sums = (
        y + v * inverse.cr_to_red,
        y + v * inverse.cr_to_green + u * inverse.cb_to_green,
        y + u * inverse.cb_to_blue,
    )
    for channel, values in enumerate(sums):
        rgb[..., channel] = (values >> (VALUE_BITS + COEFFICIENT_BITS)).clip(0, 255)


def _enlarged(plane: Samples) -> Values:
    """Twice as many columns and rows of chroma, less its middle, with `VALUE_BITS`."""
    across = _twice(plane.astype(np.int64), ACROSS) >> (8 + ACROSS_BITS - ROW_BITS)
    down = _twice(across.clip(0, (1 << ROW_BITS) - 1).T, DOWN).T
    lost = ROW_BITS + DOWN_BITS - 8 - VALUE_BITS
    half = (1 << (lost - 1)) - (128 << (VALUE_BITS + lost))
    return np.asarray((down + half) >> lost)


def _twice(rows: Values, weights: tuple[int, ...]) -> Values:
    """Two samples for each of the last axis, beyond whose ends it stays."""
    count = rows.shape[-1]
    padded = np.pad(rows, ((0, 0), (2, 2)), "edge")
    out: NDArray[Any] = np.zeros((len(rows), 2 * count), np.int64)
    for tap, weight in enumerate(weights):
        out[:, ::2] += weight * padded[:, tap : tap + count]
        out[:, 1::2] += weight * padded[:, 4 - tap : 4 - tap + count]
    return out
