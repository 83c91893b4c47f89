"""HDR frames to SDR by a table over luma and chroma codes, made once per clip; and crops back.

Between the nodes of both chroma axes the table is bilinear; it has every luma code. A chroma sample
is mapped with the mean of the luma samples that it belongs to, and these with it. The kernel equals
`reference.tone_map` bit for bit.

Crops are SDR; in frames that stay HDR they go back through a table over red, green and blue.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels import native
from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.kernels.reference import tone_map as reference
from musetalk_fast.kernels.reference.tone_map import (
    CODES,
    COLOUR_SHIFT,
    FRACTION_BITS,
    NODES,
    PLACE_BITS,
)

_Native = getattr(native.load("tone_map"), "ToneMap", None)
_NativeCrop = getattr(native.load("tone_map"), "CropMap", None)


@dataclass(frozen=True, slots=True, eq=False)
class ToneTable:
    """What the codes of 10-bit Y'CbCr become; serves several threads at a time.

    A cell lies between two neighbours of each chroma axis; its corners are (low, low), (high Cb,
    low Cr), (low Cb, high Cr), (high, high). Values are components of 14 bits
    (`yuv_matrix.BITS`), within 0 and the top of 8 bits.

    Attributes:
        side: cells along an axis.
        axis: (1024,) uint16, C-contiguous: for a chroma code, which cell, times 32, plus where in
            it in parts of 32.
        luma: (side * side, 1024, 4) int16, C-contiguous: by cell (Cb's times `side` plus Cr's) and
            luma code, at the corners.
        colour: (side * side, 256, 2, 4) int16, C-contiguous: Cb and Cr, by cell and luma code / 4,
            at the corners.

    Raises:
        ValueError: arrays of other shapes or dtypes, or an axis that leads out of them.
    """

    side: int
    axis: NDArray[np.uint16]
    luma: NDArray[np.int16]
    colour: NDArray[np.int16]
    _opened: Any = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        cells = self.side * self.side
        wanted = {
            "axis": (np.uint16, (CODES,)),
            "luma": (np.int16, (cells, CODES, 4)),
            "colour": (np.int16, (cells, CODES >> COLOUR_SHIFT, 2, 4)),
        }
        for name, (dtype, shape) in wanted.items():
            _check_array(name, getattr(self, name), dtype, shape)
        if int(self.axis.max()) >> FRACTION_BITS >= self.side:
            raise ValueError("the axis leads out of the table")
        if _Native is not None:
            object.__setattr__(self, "_opened", _Native(self))

    def map(self, source: Planes, target: Planes) -> None:
        """Write a frame's samples, mapped, into another frame; alpha stays.

        Args:
            source: of 10 bits.
            target: of 8 bits, of the same size.

        Raises:
            ValueError: other layouts than 4:2:0 of these depths, an odd side or another size.
        """
        _check(source, target)
        if self._opened is not None:
            self._opened.map(source, target)
        else:
            reference.tone_map(self.side, self.axis, self.luma, self.colour, source, target)


def _check_array(name: str, array: NDArray[Any], dtype: Any, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; it must be {shape}")


def _check(source: Planes, target: Planes) -> None:
    if not (_is_420(source.layout, 10) and _is_420(target.layout, 8)):
        raise ValueError(f"{source.layout.name} to {target.layout.name}; not 4:2:0, 10 bits to 8")
    size = source.width, source.height
    if size != (target.width, target.height) or size[0] % 2 or size[1] % 2:
        raise ValueError(f"{size[0]}x{size[1]} to {target.width}x{target.height} pixels")


def _is_420(layout: PixelLayout, depth: int) -> bool:
    return (layout.depth, layout.chroma_x, layout.chroma_y) == (depth, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class CropTable:
    """What SDR's red, green and blue are in a source's own Y'CbCr; serves several threads.

    Between its nodes the table is trilinear.

    Attributes:
        axis: (256,) uint16, C-contiguous: for a level, the node below it, times 64, plus where
            between it and the next one, 0 to 32.
        nodes: (33, 33, 33, 4) int16, C-contiguous: by red, green and blue the components Y', Cb
            and Cr in 14 bits (`yuv_matrix.BITS`), and 0.

    Raises:
        ValueError: arrays of other shapes or dtypes, or an axis that leads out of them.
    """

    axis: NDArray[np.uint16]
    nodes: NDArray[np.int16]
    _opened: Any = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        _check_array("axis", self.axis, np.uint16, (256,))
        _check_array("nodes", self.nodes, np.int16, (NODES, NODES, NODES, 4))
        if int(self.axis.max()) >> PLACE_BITS >= NODES - 1:
            raise ValueError("the axis leads out of the table")
        if _NativeCrop is not None:
            object.__setattr__(self, "_opened", _NativeCrop(self))

    def components(self, rgb: NDArray[np.uint8]) -> NDArray[np.int16]:
        """(..., 3) uint8 RGB, C-contiguous -> (3, ...) int16 Y', Cb and Cr in 14 bits."""
        made = np.empty((3, *rgb.shape[:-1]), np.int16)
        if self._opened is not None:
            self._opened.map(rgb, made)
        else:
            reference.crop_map(self.axis, self.nodes, rgb.reshape(-1, 3), made.reshape(3, -1))
        return made
