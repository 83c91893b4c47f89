"""Taps that scale a crop to a box: bilinear as OpenCV's `INTER_LINEAR`, or Lanczos-3.

Pixel centres lie at halves, edges are repeated. Bilinear takes two taps whatever the scale;
Lanczos widens when it shrinks, so that it does not alias (Turkowski, Filters for Common
Resampling Tasks, 1990).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 14
"""Fraction bits of a tap."""


class Taps(NamedTuple):
    """One axis of a scaling: output i is the sum of `weights[i, k] * input[first[i] + k]`.

    Attributes:
        first: (n,) int32; `first[i]` and `first[i] + k - 1` lie inside the input.
        weights: (n, k) int16, C-contiguous, k even, `1 << BITS` in sum.
    """

    first: NDArray[np.int32]
    weights: NDArray[np.int16]

    @property
    def span(self) -> tuple[int, int]:
        """The inputs `[start, stop)` that are read, those of weight 0 included."""
        return int(self.first.min()), int(self.first.max()) + self.weights.shape[1]


def exact_weights(
    size: int, length: int, positions: NDArray[np.int64], *, sharp: bool
) -> NDArray[np.float64]:
    """Weights of `size` inputs, scaled to `length` outputs, at some outputs' positions.

    Args:
        positions: (n,) numbers of outputs; those outside `0..length-1` repeat the edge.
        sharp: Lanczos-3 instead of bilinear.

    Returns:
        (n, size) float64, each row 1 in sum.
    """
    step = size / length
    centres = (positions[:, None] + 0.5) * step - 0.5
    stretch = max(step, 1.0) if sharp else 1.0
    reach = int(np.ceil(3 * stretch)) if sharp else 1
    inputs = np.floor(centres).astype(np.int64) + np.arange(1 - reach, reach + 1)
    distance = (inputs - centres) / stretch
    weights = _lanczos3(distance) if sharp else np.maximum(0.0, 1.0 - np.abs(distance))
    weights /= weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((len(positions), size))
    np.add.at(matrix, (np.arange(len(positions))[:, None], inputs.clip(0, size - 1)), weights)
    return matrix


def _lanczos3(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.abs(distance) < 3
    return np.where(inside, np.sinc(distance) * np.sinc(distance / 3), 0.0)


def quantise(matrix: NDArray[np.float64]) -> Taps:
    """The taps of (n, size) exact weights, as few as hold all that are not zero."""
    rows, size = np.arange(len(matrix)), matrix.shape[1]
    whole = np.rint(matrix * (1 << BITS)).astype(np.int64)
    whole[rows, np.abs(whole).argmax(axis=1)] += (1 << BITS) - whole.sum(axis=1)
    used = whole != 0
    start, stop = used.argmax(axis=1), size - used[:, ::-1].argmax(axis=1)
    count = min(size, int((stop - start).max()) + 1 & ~1)
    first = np.minimum(start, size - count)
    weights = whole[rows[:, None], first[:, None] + np.arange(count)]
    return Taps(first.astype(np.int32), np.ascontiguousarray(weights, np.int16))
