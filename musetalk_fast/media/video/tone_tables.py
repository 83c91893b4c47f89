"""Makes the tables by which a clip's frames are tone-mapped, and crops brought back.

Of frames: 15 MB, a quarter of a second; of crops 0.3 MB.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.reference.tone_map import (
    CODES,
    COLOUR_SHIFT,
    FRACTION_BITS,
    NODES,
    PLACE_BITS,
)
from musetalk_fast.kernels.tone_map import CropTable, ToneTable
from musetalk_fast.kernels.yuv_matrix import BITS
from musetalk_fast.media.video.tone_curve import WHITE, ToneCurve

_HALF = np.array(
    [*range(0, 48, 8), *range(48, 112, 16), *range(112, 240, 32), 240, 304, 368, 448, 512]
)
"""Chroma codes between grey and the strongest: dense near grey, as dark colours all are there."""

_NODES = np.concatenate([512 - _HALF[:0:-1], 512 + _HALF])
_DARK = 160
"""Luma codes below which the curve is evaluated at each, above at each fourth."""


@lru_cache(maxsize=2)
def tone_table(curve: ToneCurve) -> ToneTable:
    """The table of a curve."""
    values = _at_nodes(curve)
    side = len(_NODES) - 1
    luma, colour = values[..., 0], _by_mean(values[..., 1:])
    return ToneTable(
        side=side,
        axis=_axis(),
        luma=np.ascontiguousarray(_corners(luma).reshape(side * side, CODES, 4)),
        colour=np.ascontiguousarray(
            _corners(colour).reshape(side * side, CODES >> COLOUR_SHIFT, 2, 4)
        ),
    )


@lru_cache(maxsize=4)
def crop_table(curve: ToneCurve) -> CropTable:
    """The table of a curve backwards.

    Along each axis lie nodes where the source's luma is evenly spaced, which keeps the dark apart.
    """
    levels = np.linspace(0, 1, 256)
    luma = curve.codes(np.repeat(levels[:, None], 3, axis=1))[:, 0]
    steps = (luma - luma[0]) / (luma[-1] - luma[0]) * (NODES - 1)
    node = np.minimum(steps.astype(int), NODES - 2)
    place = np.rint((steps - node) * (1 << FRACTION_BITS)).astype(int)
    axis = (node << PLACE_BITS | place).astype(np.uint16)
    at = np.interp(np.arange(NODES), steps, levels)
    found = curve.codes(np.stack(np.meshgrid(at, at, at, indexing="ij"), axis=-1))
    values = np.rint(found * (1 << BITS - 10)).clip(0, (1 << BITS) - 1)
    nodes = np.pad(values, ((0, 0), (0, 0), (0, 0), (0, 1))).astype(np.int16)
    return CropTable(axis=axis, nodes=np.ascontiguousarray(nodes))


def graphics_table(curve: ToneCurve) -> CropTable:
    """For what was never HDR: white is that of ITU-R BT.2408, 203 cd/m2, and not the peak."""
    return crop_table(replace(curve, peak=WHITE))


def _axis() -> NDArray[np.uint16]:
    codes, steps = np.arange(CODES), 1 << FRACTION_BITS
    cell = np.searchsorted(_NODES, codes, side="right") - 1
    rest = (codes - _NODES[cell]) * steps / np.diff(_NODES)[cell]
    axis: NDArray[np.uint16] = (cell * steps + np.floor(rest)).astype(np.uint16)
    return axis


def _at_nodes(curve: ToneCurve) -> NDArray[np.int16]:
    """(Cb, Cr, luma code, 3): components of 14 bits."""
    some = np.concatenate([np.arange(_DARK), np.arange(_DARK, CODES + 4, 4)]).astype(np.float32)
    chroma = _NODES.astype(np.float32)
    cb, cr, y = np.meshgrid(chroma, chroma, some, indexing="ij")
    found = curve(y, cb, cr).astype(np.float32) * np.float32(1 << BITS - 8)
    codes = np.arange(CODES)
    below = np.searchsorted(some, codes, side="right") - 1
    rest = ((codes - some[below]) / np.diff(some)[below]).astype(np.float32)[:, None]
    every = found[..., below, :] * (1 - rest) + found[..., below + 1, :] * rest
    values: NDArray[np.int16] = np.rint(every).clip(0, 255 << BITS - 8).astype(np.int16)
    return values


def _by_mean(values: NDArray[np.int16]) -> NDArray[np.int16]:
    """(Cb, Cr, luma code / 4, 2): in the middle of four luma codes."""
    step = 1 << COLOUR_SHIFT
    return values[:, :, step // 2 :: step]


def _corners(values: NDArray[np.int16]) -> NDArray[np.int16]:
    """(Cb, Cr, ...) at the nodes -> (Cb, Cr, ..., 4) of the cells."""
    low, high = slice(None, -1), slice(1, None)
    ends = ((low, low), (high, low), (low, high), (high, high))
    return np.stack([values[one, other] for one, other in ends], axis=-1)
