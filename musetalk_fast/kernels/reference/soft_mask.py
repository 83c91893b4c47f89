"""The plain-NumPy form of `kernels.soft_mask`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.types import Mask

Corners = NDArray[np.float64]
Weights = NDArray[np.float32]


def soft_mask(
    outline: Corners,
    hole: Corners,
    width: int,
    height: int,
    first: int,
    taps: Weights,
    columns: int,
    rows: int,
    levels: Mask,
) -> None:
    """See `kernels.soft_mask.soft_mask`; `levels`: (rows, columns), written whole."""
    inside = filled(outline, width, height) & ~filled(hole, width, height)
    inside[:first] = False
    soft = inside.astype(np.float32)
    for axis in (0, 1):
        soft = _blurred(soft, taps, axis)
    larger = _enlarged(_enlarged(soft, rows, 0), columns, 1)
    levels[...] = np.clip(larger * np.float32(255) + np.float32(0.5), 0, 255)


def filled(corners: Corners, width: int, height: int) -> NDArray[np.bool_]:
    """Pixels whose centres lie inside a polygon (even-odd rule)."""
    ends = np.roll(corners, -1, axis=0)
    y = np.arange(height)[:, None] + 0.5
    row, edge = np.nonzero((corners[:, 1] <= y) != (ends[:, 1] <= y))
    start, end = corners[edge], ends[edge]
    x = start[:, 0] + (row + 0.5 - start[:, 1]) * (end - start)[:, 0] / (end - start)[:, 1]
    first = np.clip(np.floor(x - 0.5) + 1, 0, width).astype(np.intp)
    crossings = np.zeros((height, width + 1), np.intp)
    np.add.at(crossings, (row, first), 1)
    return np.asarray(crossings[:, :width].cumsum(axis=1) % 2 == 1)


def _blurred(values: Weights, taps: Weights, axis: int) -> Weights:
    reach, length = len(taps) // 2, values.shape[axis]
    padding = [(0, 0), (0, 0)]
    padding[axis] = (reach, reach)
    padded = np.pad(values, padding)
    out = np.zeros_like(values)
    for start, tap in enumerate(taps):
        window = slice(start, start + length)
        out += tap * (padded[window] if axis == 0 else padded[:, window])
    return out


def _enlarged(values: Weights, count: int, axis: int) -> Weights:
    """Bilinear samples along an axis; before its first and behind its last value it stays."""
    last = values.shape[axis] - 1
    places = np.clip((np.arange(count) + 0.5) * (last + 1) / count - 0.5, 0, last)
    below = places.astype(np.intp)
    share = (places - below).astype(np.float32)
    one, other = np.take(values, below, axis), np.take(values, np.minimum(below + 1, last), axis)
    return np.asarray(one + (other - one) * (share[:, None] if axis == 0 else share))
