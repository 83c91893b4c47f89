"""A part of a decoded frame as RGB: of a video's frames a face is a small part."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from musetalk_fast.kernels import native
from musetalk_fast.kernels.planes import Planes
from musetalk_fast.kernels.reference import rgb as reference
from musetalk_fast.kernels.reference.rgb import COEFFICIENT_BITS, Inverse
from musetalk_fast.kernels.yuv_matrix import exact_conversion
from musetalk_fast.types import Box, Picture

LAYOUT = "yuv420p"
"""FFmpeg's name of the layout that is converted."""

_to_rgb = getattr(native.load("rgb"), "to_rgb", reference.to_rgb)


def to_rgb(planes: Planes, part: Box, *, matrix: str, full_range: bool) -> Picture:
    """Convert a part of a frame.

    As FFmpeg's swscale does it with a bicubic kernel and exact rounding, chroma being in the
    middle of its pixels: bit for bit inside of the frame, but where colours that no camera makes
    turn round in swscale's sums.

    Args:
        planes: of `LAYOUT`, both sides even.
        part: a rectangle in the frame, in pixels; what lies beside it is seen by its chroma.
        matrix: one of `yuv_matrix.LUMA_WEIGHTS`.
        full_range: codes from 0 to the top instead of the limited (video) range.

    Returns:
        (height, width, 3) uint8 RGB, C-contiguous.

    Raises:
        ValueError: another layout, an odd side, a part that does not lie in the frame, or an
            unknown matrix.
    """
    if planes.layout.name != LAYOUT or planes.width % 2 or planes.height % 2:
        raise ValueError(f"no {LAYOUT}: {planes.layout.name} {planes.width}x{planes.height}")
    right, bottom = part.x + part.width, part.y + part.height
    is_inside = 0 <= part.x < right <= planes.width and 0 <= part.y < bottom <= planes.height
    if not is_inside:
        raise ValueError(f"{part} does not lie in a frame of {planes.width}x{planes.height} pixels")
    rgb = np.empty((part.height, part.width, 3), np.uint8)
    luma, cb, cr = (np.asarray(planes.samples(number), np.uint8) for number in range(3))
    _to_rgb(luma, cb, cr, part.x, part.y, inverse(matrix, full_range=full_range), rgb)
    return rgb


@lru_cache(maxsize=8)
def inverse(matrix: str, *, full_range: bool) -> Inverse:
    """The coefficients of a conversion to RGB levels.

    Raises:
        ValueError: as `exact_conversion`.
    """
    exact, offsets = exact_conversion(matrix, 8, full_range=full_range)
    rows = np.rint(np.linalg.inv(exact) * (1 << COEFFICIENT_BITS)).astype(int).tolist()
    (luma, _, cr_to_red), (_, cb_to_green, cr_to_green), (_, cb_to_blue, _) = rows
    return Inverse(int(offsets[0]), luma, cr_to_red, cb_to_green, cr_to_green, cb_to_blue)
