"""HDR frames to SDR by a table over luma and chroma codes, made once per clip.

Between the nodes of both chroma axes the table is bilinear; it has every luma code. A chroma sample
is mapped with the mean of the luma samples that it belongs to, and these with it. The kernel equals
`reference.tone_map` bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels import native
from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.kernels.reference import tone_map as reference
from musetalk_fast.kernels.reference.tone_map import CODES, COLOUR_SHIFT, FRACTION_BITS

_Native = getattr(native.load("tone_map"), "ToneMap", None)


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
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
                raise ValueError(f"{name} is {array.dtype} {array.shape}; it must be {shape}")
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


def _check(source: Planes, target: Planes) -> None:
    if not (_is_420(source.layout, 10) and _is_420(target.layout, 8)):
        raise ValueError(f"{source.layout.name} to {target.layout.name}; not 4:2:0, 10 bits to 8")
    size = source.width, source.height
    if size != (target.width, target.height) or size[0] % 2 or size[1] % 2:
        raise ValueError(f"{size[0]}x{size[1]} to {target.width}x{target.height} pixels")


def _is_420(layout: PixelLayout, depth: int) -> bool:
    return (layout.depth, layout.chroma_x, layout.chroma_y) == (depth, 1, 1)
