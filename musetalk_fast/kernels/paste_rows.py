"""Which rows of a crop are there, which a face needs, and which its kernel reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import FrameShapeError
from musetalk_fast.kernels.paste_tables import Grid, Tables
from musetalk_fast.types import CROP_SIZE, Crop, Face, Rows


def rows_of_bytes(crop: memoryview) -> int:
    """How many rows a crop has.

    Raises:
        FrameShapeError: its bytes do not lie one behind the other, or are no whole rows.
    """
    rows, rest = divmod(crop.nbytes, 3 * CROP_SIZE)
    if rest or crop.itemsize != 1 or not crop.c_contiguous:
        raise FrameShapeError(f"the crop has {crop.nbytes} bytes; a row has {3 * CROP_SIZE}")
    return rows


def rows_of_array(crop: Crop) -> int:
    """How many rows a crop has.

    Raises:
        FrameShapeError: it is not a C-contiguous (rows, 256, 3) uint8 array.
    """
    if crop.ndim != 3 or crop.shape[1:] != (CROP_SIZE, 3) or crop.dtype != np.uint8:
        raise FrameShapeError(
            f"the crop is {crop.dtype} {crop.shape}; it must be uint8 (rows, {CROP_SIZE}, 3)"
        )
    if not crop.flags.c_contiguous:
        raise FrameShapeError("the crop is not C-contiguous")
    return len(crop)


def window(face: Face) -> Rows:
    """The rows of a crop that any `Paste` of this face reads, whatever its layout and scaling."""
    top, bottom = face.mask_box.y - face.box.y, face.mask_box.y + face.mask_box.height - face.box.y
    if face.mask_box.height < 1:
        return Rows(0, 0)
    step = CROP_SIZE / face.box.height
    # One luma row beyond the mask on either side (a chroma sample may cover it), then the taps.
    margin = 3 * max(step, 1.0) + 2
    first = max(0, int(np.floor((top - 0.5) * step - 0.5 - margin)))
    stop = min(CROP_SIZE, int(np.ceil((bottom + 0.5) * step - 0.5 + margin)) + 1)
    return Rows(min(first, CROP_SIZE - 1), stop - min(first, CROP_SIZE - 1))


def read_rows(prepared: Tables | None) -> Rows:
    """The rows that the kernel reads, those of weight 0 included."""
    if prepared is None:
        return Rows(0, 0)
    spans = [prepared.luma.rows.span, prepared.chroma.rows.span]
    first = min(start for start, _ in spans)
    return Rows(first, max(stop for _, stop in spans) - first)


def needed_rows(prepared: Tables | None) -> Rows:
    """The rows that weigh something where the mask is not zero."""
    if prepared is None:
        return Rows(0, 0)
    needed = np.concatenate([_weighty(prepared.luma), _weighty(prepared.chroma)])
    if not len(needed):
        return Rows(0, 0)
    return Rows(int(needed.min()), int(needed.max() - needed.min()) + 1)


def _weighty(grid: Grid) -> NDArray[np.int64]:
    taps = grid.rows
    covered = np.any(grid.weights != 0, axis=1, keepdims=True)
    row, tap = np.nonzero(covered & (taps.weights != 0))
    return taps.first[row].astype(np.int64) + tap
