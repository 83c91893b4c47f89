"""The tables of a paste: which samples of each component it writes, from which taps, how much."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import PixelLayout
from musetalk_fast.kernels.resampling import Taps, exact_weights, means, quantise
from musetalk_fast.kernels.yuv_matrix import Conversion
from musetalk_fast.types import CROP_SIZE, Face


class Grid(NamedTuple):
    """What is written in one component's samples: a rectangle, its taps and its weights.

    Attributes:
        x, y: the rectangle's first column and row.
        columns, rows: taps of its columns and rows.
        weights: (rows, columns) int16, -32768 (takes the crop) to 0 (keeps the plane).
    """

    x: int
    y: int
    columns: Taps
    rows: Taps
    weights: NDArray[np.int16]


class Tables(NamedTuple):
    """Everything that is the same for all crops of a face."""

    layout: PixelLayout
    conversion: Conversion
    luma: Grid
    chroma: Grid

    def grid(self, component: int) -> Grid:
        """The grid of Y (0), Cb (1) or Cr (2)."""
        return self.chroma if component else self.luma


class Blocks(NamedTuple):
    """Runs of pixels along one axis, one per sample, aligned outward from a rectangle.

    Attributes:
        first: number of the first sample.
        pixels: numbers of all pixels that the samples cover and the frame has.
        starts: (n,) where in `pixels` each sample's own begin.
    """

    first: int
    pixels: NDArray[np.int64]
    starts: NDArray[np.int64]

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Means over each sample's pixels, along the first axis."""
        if len(self.starts) == len(self.pixels):
            return values
        counts = np.diff(self.starts, append=len(self.pixels))
        run = int(counts.max())
        whole = np.pad(values, ((0, run * len(counts) - len(values)), (0, 0)))
        sums: NDArray[np.float64] = whole.reshape(len(counts), run, -1).sum(axis=1)
        return sums / counts[:, None]


def tables(
    face: Face,
    size: tuple[int, int],
    layout: PixelLayout,
    conversion: Conversion,
    *,
    sharp: bool,
) -> Tables:
    """The tables of a face with a mask, in a frame of `size` = (width, height) pixels."""
    return Tables(
        layout,
        conversion,
        _grid(face, size, (0, 0), sharp=sharp),
        _grid(face, size, (layout.chroma_x, layout.chroma_y), sharp=sharp),
    )


def _grid(face: Face, size: tuple[int, int], shifts: tuple[int, int], *, sharp: bool) -> Grid:
    box, inner = face.box, face.mask_box
    across = _blocks(inner.x, inner.width, size[0], shifts[0])
    down = _blocks(inner.y, inner.height, size[1], shifts[1])
    mask = np.zeros((len(down.pixels), len(across.pixels)))
    top, left = inner.y - down.pixels[0], inner.x - across.pixels[0]
    mask[top : top + inner.height, left : left + inner.width] = face.mask
    cover = across.mean(down.mean(mask).T).T
    return Grid(
        across.first,
        down.first,
        _taps(across, box.x, box.width, sharp=sharp),
        _taps(down, box.y, box.height, sharp=sharp),
        np.ascontiguousarray(-np.rint(cover * (1 << 15) / 255), np.int16),
    )


def _blocks(start: int, count: int, limit: int, shift: int) -> Blocks:
    first, stop = start >> shift, -(-(start + count) >> shift)
    pixels = np.arange(first << shift, min(stop << shift, limit))
    return Blocks(first, pixels, np.arange(0, len(pixels), 1 << shift))


def _taps(blocks: Blocks, start: int, length: int, *, sharp: bool) -> Taps:
    exact = exact_weights(CROP_SIZE, length, blocks.pixels - start, sharp=sharp)
    return quantise(CROP_SIZE, means(CROP_SIZE, exact, blocks.starts))
