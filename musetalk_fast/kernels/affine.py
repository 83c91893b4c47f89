"""A square piece of a picture, turned and scaled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels import native
from musetalk_fast.kernels.reference import affine as reference
from musetalk_fast.types import Picture

_sample = getattr(native.load("affine"), "sample", reference.sample)


def sample(picture: Picture, coefficients: Sequence[float], side: int) -> NDArray[np.float32]:
    """The piece of a picture to which affine coefficients carry a patch: bilinear.

    As Pillow's `transform` with `AFFINE` and `BILINEAR`, bit for bit: levels are cut off, not
    rounded, and what lies beyond the picture is black.

    Args:
        picture: (H, W, 3) uint8 RGB, its rows contiguous.
        coefficients: (a, b, c, d, e, f): column u and row v of the patch show what is at
            a * u + b * v + c, d * u + e * v + f in the picture; a first pixel's centre is 0.5, 0.5.
        side: pixels of the patch, at most 32768.

    Returns:
        (side, side, 3) float32 RGB, whole levels 0..255.

    Raises:
        ValueError: a picture of another layout, or coefficients that are not finite.
    """
    if picture.shape[2:] != (3,) or picture.strides[1:] != (3, 1) or picture.dtype != np.uint8:
        raise ValueError(f"the picture is not of packed pixels: {picture.dtype} {picture.shape}")
    if len(coefficients) != 6 or not all(map(math.isfinite, coefficients)):
        raise ValueError(f"the coefficients are not six finite numbers: {coefficients}")
    patch = np.empty((side, side, 3), np.float32)
    _sample(picture, coefficients, side, patch)
    return patch
