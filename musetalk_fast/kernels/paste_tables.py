"""The tables of a paste: which samples of each component it writes, from which taps, how much."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import PixelLayout
from musetalk_fast.kernels.resampling import Taps, exact_weights, means, quantise
from musetalk_fast.kernels.yuv_matrix import Conversion
from musetalk_fast.types import CROP_SIZE, Box, Face


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


Seen: TypeAlias = tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.int16]]
"""What an avatar's own picture is as components of 14 bits: the samples of each one's grid."""


def reach(prepared: Tables) -> Box:
    """The pixels that the grids' samples cover, of a frame with even sides."""
    grid, across, down = prepared.chroma, prepared.layout.chroma_x, prepared.layout.chroma_y
    rows, columns = grid.weights.shape
    return Box(grid.x << across, grid.y << down, columns << across, rows << down)


def seen_samples(prepared: Tables, components: NDArray[np.int16]) -> Seen:
    """The samples of the grids.

    Args:
        components: (3, rows, columns) of the pixels of `reach`.
    """
    place, luma = reach(prepared), prepared.luma
    rows, columns = luma.weights.shape
    left, top = luma.x - place.x, luma.y - place.y
    own = np.ascontiguousarray(components[0, top : top + rows, left : left + columns])
    across, down = 1 << prepared.layout.chroma_x, 1 << prepared.layout.chroma_y
    total = np.full((2, place.height // down, place.width // across), across * down // 2, np.int32)
    for y in range(down):
        for x in range(across):
            total += components[1:, y::down, x::across]
    blue, red = (total // (across * down)).astype(np.int16)
    return own, blue, red


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
    x, y, width, height = face.box if face.place is None else face.place
    inner = face.mask_box
    across = _blocks(inner.x, inner.width, size[0], shifts[0])
    down = _blocks(inner.y, inner.height, size[1], shifts[1])
    return Grid(
        across.first,
        down.first,
        _taps(across, shifts[0], x, width, sharp=sharp),
        _taps(down, shifts[1], y, height, sharp=sharp),
        _weights(face, across, down, shifts),
    )


def _blocks(start: int, count: int, limit: int, shift: int) -> Blocks:
    first, stop = start >> shift, -(-(start + count) >> shift)
    pixels = np.arange(first << shift, min(stop << shift, limit))
    return Blocks(first, pixels, np.arange(0, len(pixels), 1 << shift))


def _weights(
    face: Face, across: Blocks, down: Blocks, shifts: tuple[int, int]
) -> NDArray[np.int16]:
    if shifts == (0, 0):
        # As `_rounded`, of whole numbers: 32768 / 255 is 128.5, and 1 / 510 more.
        weights = face.mask.astype(np.uint16)
        half = weights + np.uint16(1) >> np.uint16(1)
        weights <<= np.uint16(7)
        weights += half
        return np.negative(weights, out=weights).view(np.int16)
    inner, shape = face.mask_box, (len(down.pixels), len(across.pixels))
    top, left = inner.y - down.pixels[0], inner.x - across.pixels[0]
    mask = np.zeros(shape, np.uint16)
    mask[top : top + inner.height, left : left + inner.width] = face.mask
    if shape != (len(down.starts) << shifts[1], len(across.starts) << shifts[0]):
        # At an odd edge of the frame a sample covers fewer pixels than elsewhere.
        return _rounded(across.mean(down.mean(mask.astype(np.float64)).T).T)
    if shifts[1]:
        mask = mask[0::2] + mask[1::2]
    if shifts[0]:
        mask = mask[:, 0::2] + mask[:, 1::2]
    # As `_rounded`, in whole numbers: a half never comes out, as 510 is not a multiple of 4.
    sums = mask.astype(np.int32)
    sums *= (1 << 16) >> sum(shifts)
    sums += 255
    sums //= 510
    return np.negative(sums, out=sums).astype(np.int16)


def _rounded(cover: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.ascontiguousarray(-np.rint(cover * (1 << 15) / 255), np.int16)


def _taps(blocks: Blocks, shift: int, start: float, length: float, *, sharp: bool) -> Taps:
    first, count = int(blocks.pixels[0]) - start, len(blocks.starts)
    if not isinstance(first, int) or len(blocks.pixels) != count << shift:
        return _computed(first, len(blocks.pixels), shift, length, sharp=sharp)
    assert isinstance(length, int)
    before = -1 << shift if first % (1 << shift) == 0 else -1
    taps, skipped = _box_taps(before, shift, length, sharp), (first - before) >> shift
    part = slice(skipped, skipped + count)
    return Taps(taps.first[part], taps.weights[part])


@lru_cache(maxsize=512)
def _box_taps(before: int, shift: int, length: int, sharp: bool) -> Taps:
    """The taps of a whole side of a box, from pixel `before` on to one beyond its end.

    Kept, as the faces of a video have boxes of a few sizes.
    """
    samples = -((before - length - 1) >> shift)
    taps = _computed(before, samples << shift, shift, length, sharp=sharp)
    for array in taps:
        array.flags.writeable = False  # many have them
    return taps


def _computed(first: float, count: int, shift: int, length: float, *, sharp: bool) -> Taps:
    """The taps of samples over `count` pixels, from pixel `first` of a side of a box on."""
    exact = exact_weights(CROP_SIZE, length, np.add(np.arange(count), first), sharp=sharp)
    return quantise(CROP_SIZE, means(CROP_SIZE, exact, np.arange(0, count, 1 << shift)))
