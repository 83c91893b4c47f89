"""A square piece of a picture, turned and scaled, as face models want it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels import native
from musetalk_fast.kernels.reference import patch as reference
from musetalk_fast.types import Picture

MAX_SIDE = 1 << 15

_sample = getattr(native.load("patch"), "sample", reference.sample)


def sample(
    picture: Picture,
    cos: NDArray[np.float32],
    sin: NDArray[np.float32],
    corner: tuple[float, float],
) -> NDArray[np.float32]:
    """Bilinear samples; beyond the picture its border pixels repeat.

    Args:
        picture: (H, W, 3) uint8 RGB, its rows contiguous.
        cos, sin: (side,) float32, contiguous: column u and row v of the patch show what is at the
            column cos[u] - sin[v] and the row sin[u] + cos[v] of the picture, from `corner` on; a
            first pixel's centre is 0.
        corner: pixels, across and down.

    Returns:
        (side, side, 3) float32 RGB, 0..255.

    Raises:
        ValueError: a picture of another layout, numbers that are not finite, or a side outside
            1..`MAX_SIDE`.
    """
    if not 0 < min(picture.shape[:2]) <= max(picture.shape[:2]) <= MAX_SIDE:
        raise ValueError(f"a picture of {picture.shape[:2]} rows and columns")
    if picture.shape[2:] != (3,) or picture.strides[1:] != (3, 1) or picture.dtype != np.uint8:
        raise ValueError(f"the picture is not of packed pixels: {picture.dtype} {picture.shape}")
    side = len(cos)
    if len(sin) != side or not 0 < side <= MAX_SIDE:
        raise ValueError(f"a square of {side} and {len(sin)} pixels")
    if not (np.isfinite(cos).all() and np.isfinite(sin).all() and all(map(math.isfinite, corner))):
        raise ValueError("the square's place is not finite")
    patch = np.empty((side, side, 3), np.float32)
    _sample(picture, cos, sin, *corner, patch)
    return patch
