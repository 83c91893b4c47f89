"""A picture's bytes become RGB pixels, exactly where the format allows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import ImageFormatError
from musetalk_fast.media.headers import Header
from musetalk_fast.media.png import check_whole, only_needed, transparent_grey
from musetalk_fast.types import Picture

if TYPE_CHECKING:
    import av

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB or (H, W, 4) RGBA, alpha not multiplied in."""

_MAX_PIXELS = 8192 * 8192
_BAND_ROWS = 64
"""Rows at a time where intermediate values are wider than the pixels."""
_CHANNELS = {
    "rgb24": (3, (0, 1, 2)),
    "bgr24": (3, (2, 1, 0)),
    "rgb0": (4, (0, 1, 2)),
    "bgr0": (4, (2, 1, 0)),
    "rgba": (4, (0, 1, 2, 3)),
    "bgra": (4, (2, 1, 0, 3)),
    "argb": (4, (1, 2, 3, 0)),
    "gray": (1, (0, 0, 0)),
    "ya8": (2, (0, 0, 0, 1)),
}
"""8-bit packed formats: samples a pixel, and which of them are red, green, blue (and alpha)."""

_DEEP = {
    "gray16": "gray",
    "ya16": "ya8",
    "rgb48": "rgb24",
    "rgba64": "rgba",
}
"""16-bit formats (with `le` or `be`) and the 8-bit format of the same order."""


def decode(data: bytes, header: Header) -> Pixels:
    """Decode a whole picture, as stored (not yet turned upright).

    Raises:
        errors.ImageFormatError: damaged, cut, or a variant that cannot be read.
    """
    if len(data) < header.least_bytes:
        raise ImageFormatError("the picture is cut: pixels are missing")
    if header.codec == "mjpeg":
        return _decode_jpeg(data)
    if header.codec == "png":
        check_whole(data, header.width, header.height)
        pixels = _pixels(_decode_frame(only_needed(data), header))
        return _with_grey_key(pixels, transparent_grey(data))
    return _pixels(_decode_frame(data, header))


def flatten(pixels: Pixels, background: tuple[int, int, int]) -> tuple[Picture, bool]:
    """Lay pixels over a background.

    Returns:
        The (H, W, 3) picture, and whether anything was transparent.
    """
    if pixels.shape[2] == 3:
        return pixels, False
    colour, alpha = pixels[..., :3], pixels[..., 3]
    if alpha.min() == 255:
        return np.ascontiguousarray(colour), False
    out = np.empty(colour.shape, np.uint8)
    for rows in _bands(len(out)):
        weight = alpha[rows, :, None].astype(np.uint16)
        # At most 255 x 255 + 127, which 16 bits hold.
        mixed = colour[rows] * weight + (255 - weight) * np.array(background, np.uint16)
        out[rows] = (mixed + np.uint16(127)) // np.uint16(255)
    return out, True


def _bands(height: int) -> Iterator[slice]:
    return (slice(top, top + _BAND_ROWS) for top in range(0, height, _BAND_ROWS))


def _decode_jpeg(data: bytes) -> Pixels:
    import simplejpeg

    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB")
    except ValueError as error:
        raise ImageFormatError(f"broken JPEG: {error}") from error
    return pixels


def _decode_frame(data: bytes, header: Header) -> av.VideoFrame:
    import av

    # The codec alone, without a demuxer: probing would decode before we have looked at the size.
    context = av.CodecContext.create(header.codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    context.options = {"max_pixels": str(_MAX_PIXELS)}
    if header.codec == "png":
        # Other codecs are strict enough by themselves, and the TIFF one refuses good files so.
        context.options |= {"err_detect": "crccheck+explode"}
    try:
        frames = context.decode(av.Packet(data)) or context.decode(None)
    except av.FFmpegError as error:
        raise ImageFormatError(f"broken {header.codec.upper()}: {error.strerror}") from error
    if not frames:
        raise ImageFormatError(f"broken {header.codec.upper()}: no picture in it")
    frame = frames[0]
    if (frame.width, frame.height) != (header.width, header.height):
        raise ImageFormatError("the picture contradicts its own header")
    if header.codec == "tiff":
        # FFmpeg leaves the range open, which would count as limited: TIFF's YCbCr is full.
        frame.color_range = av.video.reformatter.ColorRange.JPEG
    return frame


def _pixels(frame: av.VideoFrame) -> Pixels:
    name = frame.format.name
    if name in _CHANNELS:
        return _ordered(_samples(frame, np.dtype(np.uint8), name), name)
    if name[:-2] in _DEEP:
        packed = _DEEP[name[:-2]]
        order = np.dtype(">u2" if name.endswith("be") else "<u2")
        return _rounded(_samples(frame, order, packed), packed)
    if name == "pal8":
        return _with_palette(frame)
    if name in ("monob", "monow"):
        return _bits(frame, white_is_zero=name == "monow")
    return _converted(frame)


def _samples(frame: av.VideoFrame, dtype: np.dtype[np.generic], packed: str) -> NDArray[np.generic]:
    """(H, W, samples) view of a packed frame."""
    count = _CHANNELS[packed][0]
    rows = _rows(frame)[:, : frame.width * count * dtype.itemsize]
    return rows.view(dtype).reshape(frame.height, frame.width, count)


def _rows(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """(H, bytes a row with padding) view of the first plane."""
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height]


def _ordered(samples: NDArray[np.generic], packed: str) -> Pixels:
    order = _CHANNELS[packed][1]
    if order == tuple(range(samples.shape[2])):
        return samples.astype(np.uint8, copy=False)
    return np.stack([samples[..., each] for each in order], axis=-1).astype(np.uint8, copy=False)


def _rounded(wide: NDArray[np.generic], packed: str) -> Pixels:
    """16 bits to 8: 65535 / 257 = 255, so the rounded quotient."""
    order = _CHANNELS[packed][1]
    out = np.empty((*wide.shape[:2], len(order)), np.uint8)
    for rows in _bands(len(out)):
        out[rows] = ((wide[rows].astype(np.uint32) + 128) // 257)[..., order]
    return out


def _with_grey_key(pixels: Pixels, grey: int | None) -> Pixels:
    if grey is None:
        return pixels
    alpha = np.where(pixels[..., :1] == grey, np.uint8(0), np.uint8(255))
    return np.concatenate([pixels[..., :3], alpha], axis=-1)


def _with_palette(frame: av.VideoFrame) -> Pixels:
    # The palette is native 32-bit ARGB.
    palette = np.frombuffer(memoryview(frame.planes[1]), np.uint32)[:256]
    colours = np.stack([palette >> shift & 255 for shift in (16, 8, 0, 24)], axis=-1)
    pixels: Pixels = colours.astype(np.uint8)[_rows(frame)[:, : frame.width]]
    return pixels


def _bits(frame: av.VideoFrame, *, white_is_zero: bool) -> Pixels:
    bits = np.unpackbits(_rows(frame), axis=1, count=frame.width)
    grey = (bits ^ np.uint8(white_is_zero)) * np.uint8(255)
    return np.repeat(grey[..., None], 3, axis=-1)


def _converted(frame: av.VideoFrame) -> Pixels:
    """What is YUV (lossy WebP) or rare goes through FFmpeg's own conversion."""
    alpha = any(component.is_alpha for component in frame.format.components)
    packed = "rgba" if alpha else "rgb24"
    return _ordered(_samples(frame.reformat(format=packed), np.dtype(np.uint8), packed), packed)
