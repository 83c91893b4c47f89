"""RGB to Y'CbCr in integers: the one formula of all kernels.

A component is kept with 14 bits for the whole range of its code values, whatever the depth:
`code << (14 - depth)`, chroma with its offset. Formulas: ITU-R BT.601-7 and BT.709-6, item 3
(luma weights, colour difference signals, quantisation); BT.2020-2, table 4.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.types import ColourTags

BITS = 14
"""Bits of a component between the kernels' steps."""

COEFFICIENT_BITS = 9
"""Fraction bits of the conversion's coefficients: the most that keeps them in 16 bits."""

MAX_GAIN = 1.25
"""Of a `Recolouring`: more would not leave the coefficients in 16 bits."""

LUMA_WEIGHTS = {
    "bt601": (0.299, 0.587, 0.114),
    "bt709": (0.2126, 0.7152, 0.0722),
    "bt2020": (0.2627, 0.678, 0.0593),
}

_MATRICES = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
"""ITU-T H.273, table 4: 5 and 6 are the same coefficients."""

_LIMITED, _FULL = 1, 2


class Coding(TypedDict):
    """A matrix and a range as a kernel takes them."""

    matrix: str
    full_range: bool


class Conversion(NamedTuple):
    """`(coefficients @ (R, G, B) + offsets) >> COEFFICIENT_BITS` is (Y', Cb, Cr) in 14 bits.

    Attributes:
        coefficients: (3, 3) int16.
        offsets: (3,) int32, the rounding's half included.
    """

    coefficients: NDArray[np.int16]
    offsets: NDArray[np.int32]


def coding_of(colour: ColourTags) -> Coding:
    """The keyword arguments of a kernel that makes such code values.

    Raises:
        ValueError: no kernel knows the matrix, or the range is not one.
    """
    matrix = _MATRICES.get(colour.matrix)
    if matrix is None or colour.range not in (_LIMITED, _FULL):
        raise ValueError(f"no conversion to matrix {colour.matrix}, range {colour.range}")
    return Coding(matrix=matrix, full_range=colour.range == _FULL)


def exact_conversion(
    matrix: str, depth: int, *, full_range: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The (3, 3) coefficients and (3,) offsets in code values of `depth` bits, not rounded.

    Raises:
        ValueError: `matrix` is not one of `LUMA_WEIGHTS`.
    """
    if matrix not in LUMA_WEIGHTS:
        raise ValueError(f"matrix is {matrix!r}; it is one of {', '.join(LUMA_WEIGHTS)}")
    red, green, blue = LUMA_WEIGHTS[matrix]
    luma = np.array([red, green, blue])
    rows = np.stack(
        [
            luma,
            (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - blue)),
            (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - red)),
        ]
    )
    unit, top = 1 << (depth - 8), (1 << depth) - 1
    spans = np.array([top] * 3 if full_range else [219 * unit, 224 * unit, 224 * unit])
    offsets = np.array([0 if full_range else 16 * unit, 128 * unit, 128 * unit], np.float64)
    return rows * spans[:, None] / 255, offsets


class Recolouring(NamedTuple):
    """What is done to RGB levels before they are converted: `gain * level + offset`.

    Attributes:
        gain: (3,) float64, at most `MAX_GAIN`.
        offset: (3,) float64, levels.
    """

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]


@lru_cache(maxsize=32)
def conversion(matrix: str, depth: int, *, full_range: bool) -> Conversion:
    """The conversion in integers, read-only; white, black and greys come out exact.

    Raises:
        ValueError: as `exact_conversion`.
    """
    exact, offsets = exact_conversion(matrix, depth, full_range=full_range)
    return _quantised(exact, offsets, depth)


def recoloured_conversion(
    matrix: str, depth: int, recoloured: Recolouring, *, full_range: bool
) -> Conversion:
    """As `conversion`, of levels that are recoloured before.

    Args:
        recoloured: what it does to the levels before; what leaves 0..255 by it is clipped later.

    Raises:
        ValueError: as `exact_conversion`.
    """
    exact, offsets = exact_conversion(matrix, depth, full_range=full_range)
    return _quantised(exact * recoloured.gain, offsets + exact @ recoloured.offset, depth)


def recoloured_levels(recoloured: Recolouring) -> NDArray[np.uint8]:
    """(3, 256): what recolouring makes of each level of red, green and blue."""
    levels = recoloured.gain[:, None] * np.arange(256) + recoloured.offset[:, None]
    return np.rint(levels).clip(0, 255).astype(np.uint8)


def _quantised(exact: NDArray[np.float64], offsets: NDArray[np.float64], depth: int) -> Conversion:
    scale = 1 << (BITS - depth + COEFFICIENT_BITS)
    coefficients = np.rint(exact * scale)
    # The largest weight takes what rounding lost, so that grey has no colour and white is white.
    largest = np.abs(exact).argmax(axis=1)
    lost = np.rint(exact.sum(axis=1) * scale) - coefficients.sum(axis=1)
    coefficients[np.arange(3), largest] += lost
    made = Conversion(
        coefficients.astype(np.int16),
        (offsets * scale + (1 << (COEFFICIENT_BITS - 1))).astype(np.int32),
    )
    for array in made:
        array.flags.writeable = False
    return made
