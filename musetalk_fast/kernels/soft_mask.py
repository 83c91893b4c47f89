"""A polygon as a soft mask: filled, blurred, enlarged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels import native
from musetalk_fast.kernels.reference import soft_mask as reference
from musetalk_fast.types import Mask

_make = getattr(native.load("soft_mask"), "soft_mask", reference.soft_mask)
_MOST = 1 << 15


def soft_mask(
    outline: NDArray[np.float64],
    hole: NDArray[np.float64],
    *,
    size: tuple[int, int],
    first: int,
    taps: NDArray[np.float32],
    wanted: tuple[int, int],
) -> Mask:
    """What lies inside a polygon and outside another (even-odd), with soft edges.

    Args:
        outline, hole: (n, 2) corners, across and down, pixels of `size`.
        size: (width, height) in which the mask is made.
        first: of its rows, the first that is not empty before the blur.
        taps: (2 * reach + 1,) weights of the blur along both axes; beyond the mask is nothing.
        wanted: (width, height) to which it is enlarged, bilinear; not less than `size`, at most
            32768.

    Returns:
        (height, width) uint8, C-contiguous: 255 inside.

    Raises:
        ValueError: sizes that do not fit together, or no corners or taps.
    """
    fits = all(0 < own <= most <= _MOST for own, most in zip(size, wanted, strict=True))
    if not fits or not 0 <= first <= size[1]:
        raise ValueError(f"the sizes do not fit together: {size}, {wanted}, first row {first}")
    if not len(taps) % 2 or not len(outline) or not len(hole):
        raise ValueError("corners or taps are missing")
    levels = np.empty(wanted[::-1], np.uint8)
    around, out_of = (np.ascontiguousarray(each, np.float64) for each in (outline, hole))
    weights = np.ascontiguousarray(taps, np.float32)
    _make(around, out_of, size[0], size[1], first, weights, wanted[0], wanted[1], levels)
    return levels
