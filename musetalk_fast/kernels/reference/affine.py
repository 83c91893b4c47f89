"""The plain-NumPy form of `kernels.affine`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.types import Picture


def sample(
    picture: Picture, coefficients: Sequence[float], side: int, patch: NDArray[np.float32]
) -> None:
    """See `kernels.affine.sample`; `patch`: (side, side, 3), written whole."""
    height, width = picture.shape[:2]
    u, v = np.arange(side)[None] + 0.5, np.arange(side)[:, None] + 0.5
    x, y = (a * u + b * v + c for a, b, c in (coefficients[:3], coefficients[3:]))
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = np.where(inside, x - 0.5, 0), np.where(inside, y - 0.5, 0)
    column, row = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    across, down = (x - column)[..., None], (y - row)[..., None]
    left, right = np.clip(column, 0, None), np.minimum(column + 1, width - 1)
    above, below = np.clip(row, 0, None), np.minimum(row + 1, height - 1)
    pixels = picture.astype(np.float64)
    upper = _between(pixels[above, left], pixels[above, right], across)
    lower = _between(pixels[below, left], pixels[below, right], across)
    patch[...] = np.floor(_between(upper, lower, down)) * inside[..., None]


def _between(
    one: NDArray[np.float64], other: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    return one + (other - one) * share
