"""An RGB picture into the planes of a frame, once per avatar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels import native
from musetalk_fast.kernels.planes import Planes
from musetalk_fast.kernels.reference import yuv as reference
from musetalk_fast.kernels.yuv_matrix import conversion
from musetalk_fast.types import Picture

_convert = getattr(native.load("yuv"), "rgb_to_planes", reference.rgb_to_planes)


def rgb_to_planes(
    rgb: Picture, planes: Planes, *, matrix: str = "bt709", full_range: bool = False
) -> None:
    """Convert a picture to Y'CbCr into `planes`, by the formula that `Paste` uses.

    A chroma sample is the mean of the pixels that it covers.

    Args:
        rgb: (H, W, 3) uint8 RGB, C-contiguous, of the planes' size.
        planes: written whole, but for alpha and what lies between the rows.
        matrix: `bt709` or `bt601`.
        full_range: codes from 0 to the top instead of the limited (video) range.

    Raises:
        ValueError: a picture of another shape, dtype or layout, or an unknown matrix.
    """
    expected = (planes.height, planes.width, 3)
    if rgb.shape != expected or rgb.dtype != np.uint8:
        raise ValueError(f"the picture is {rgb.dtype} {rgb.shape}; it must be uint8 {expected}")
    if not rgb.flags.c_contiguous:
        raise ValueError("the picture is not C-contiguous")
    _convert(rgb, planes, conversion(matrix, planes.layout.depth, full_range=full_range))


def components_to_planes(components: NDArray[np.int16], planes: Planes) -> None:
    """Write what was converted already; for few pictures, as it has no native form.

    Args:
        components: (3, H, W) Y', Cb and Cr in 14 bits, of the planes' size.
        planes: as `rgb_to_planes` has them.
    """
    reference.components_to_planes(components.astype(np.int32), planes)
