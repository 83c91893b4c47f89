"""JPEG crops through libjpeg-turbo, into and out of RGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.buffers import Bytes


class JpegError(ValueError):
    """Bytes that are not a whole JPEG of the size that was asked for."""


def decode_jpeg_into(data: Bytes, out: NDArray[np.uint8]) -> None:
    """Decode a JPEG into the caller's array.

    The header is read first: a picture of another size is refused before anything is decoded.

    Args:
        data: a whole JPEG file.
        out: (h, w, 3) uint8, RGB, C-contiguous, writable.

    Raises:
        JpegError: not a JPEG, damaged or cut short, or not h x w pixels.
        ValueError: `out` has another shape, dtype or layout.
    """
    import simplejpeg

    _check(out, writable=True)
    height, width, _ = out.shape
    try:
        found = simplejpeg.decode_jpeg_header(data)[:2]
        if found == (height, width):
            simplejpeg.decode_jpeg(data, "RGB", buffer=out, strict=True)
    except ValueError as error:
        raise JpegError(f"not a whole JPEG: {error}") from error
    if found != (height, width):
        raise JpegError(f"JPEG of {found[1]}x{found[0]} pixels where {width}x{height} are expected")


def encode_jpeg(crop: NDArray[np.uint8], quality: int = 95) -> bytes:
    """Encode (h, w, 3) uint8 RGB, C-contiguous, as a JPEG with full-resolution chroma.

    Raises:
        ValueError: another shape, dtype or layout, or a quality outside 1..100.
    """
    import simplejpeg

    _check(crop, writable=False)
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is {quality}; it goes from 1 to 100")
    data: bytes = simplejpeg.encode_jpeg(crop, quality, "RGB", "444")
    return data


def _check(picture: NDArray[np.uint8], *, writable: bool) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(
            f"the picture is {picture.dtype} {picture.shape}; it must be uint8 (h, w, 3)"
        )
    if not picture.flags.c_contiguous:
        raise ValueError("the picture is not C-contiguous")
    if writable and not picture.flags.writeable:
        raise ValueError("the picture is read-only")
