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


class Band(NamedTuple):
    """Exact weights of outputs: `weights[i, k]` is that of input `first[i] + k`.

    Attributes:
        first: (n,) int64.
        weights: (n, k) float64, each row 1 in sum; all inputs lie inside.
    """

    first: NDArray[np.int64]
    weights: NDArray[np.float64]


def exact_weights(
    size: int,
    length: float,
    positions: NDArray[np.int64] | NDArray[np.float64],
    *,
    sharp: bool,
) -> Band:
    """Weights of `size` inputs, scaled to `length` outputs, at some outputs' positions.

    Args:
        positions: (n,) numbers of outputs, or places between them; those outside `0..length-1`
            repeat the edge.
        sharp: Lanczos-3 instead of bilinear.
    """
    step = size / length
    centres = (positions[:, None] + 0.5) * step - 0.5
    stretch = max(step, 1.0) if sharp else 1.0
    reach = int(np.ceil(3 * stretch)) if sharp else 1
    inputs = np.floor(centres).astype(np.int64) + np.arange(1 - reach, reach + 1)
    distance = (inputs - centres) / stretch
    weights = _lanczos3(distance) if sharp else np.maximum(0.0, 1.0 - np.abs(distance))
    weights /= weights.sum(axis=1, keepdims=True)
    return _gathered(size, inputs.clip(0, size - 1), weights)


def means(size: int, band: Band, starts: NDArray[np.int64]) -> Band:
    """The weights of means over runs of outputs; run i goes from `starts[i]` to the next."""
    counts = np.diff(starts, append=len(band.first))
    inputs = band.first[:, None] + np.arange(band.weights.shape[1])
    run = int(counts.max())
    # Outputs behind a short last run weigh nothing, wherever they are.
    members = np.minimum(starts[:, None] + np.arange(run), len(band.first) - 1)
    present = (np.arange(run) < counts[:, None]) / counts[:, None]
    weights = band.weights[members] * present[:, :, None]
    flat = (len(starts), -1)
    return _gathered(size, inputs[members].reshape(flat), weights.reshape(flat))


def _gathered(size: int, inputs: NDArray[np.int64], weights: NDArray[np.float64]) -> Band:
    """A band of weights whose inputs stand in any order, some of them more than once."""
    width = min(size, int((inputs.max(axis=1) - inputs.min(axis=1)).max()) + 1)
    first = np.minimum(inputs.min(axis=1), size - width)
    rows = np.arange(len(inputs))[:, None] * width
    places = (rows + inputs - first[:, None]).reshape(-1)
    total = np.bincount(places, weights.reshape(-1), len(inputs) * width)
    return Band(first, total.astype(np.float64, copy=False).reshape(-1, width))


def _lanczos3(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.abs(distance) < 3
    return np.where(inside, np.sinc(distance) * np.sinc(distance / 3), 0.0)


def quantise(size: int, band: Band) -> Taps:
    """The taps of exact weights, an even number of them."""
    rows, width = np.arange(len(band.first)), band.weights.shape[1]
    whole = np.rint(band.weights * (1 << BITS)).astype(np.int64)
    whole[rows, np.abs(whole).argmax(axis=1)] += (1 << BITS) - whole.sum(axis=1)
    count = min(size, width + 1 & ~1)
    first = np.minimum(band.first, size - count)
    weights = np.zeros((len(rows), count), np.int16)
    weights[rows[:, None], (band.first - first)[:, None] + np.arange(width)] = whole
    return Taps(first.astype(np.int32), weights)
