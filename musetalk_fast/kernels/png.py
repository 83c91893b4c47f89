"""PNG of 8-bit grey and RGB pictures: what the wire and the asset store carry.

Only these two kinds, not interlaced, are read: masks and crops come as nothing else.
Format: PNG specification, third edition (W3C, 2025).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels import native
from musetalk_fast.kernels.buffers import Bytes, readable
from musetalk_fast.kernels.reference import png as reference

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {0: 1, 2: 3}
"""Bytes of a pixel by PNG's colour type: grey and RGB."""

_PIXELS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))

_unfilter = getattr(native.load("png"), "unfilter", reference.unfilter)


class PngError(ValueError):
    """Bytes that are not a whole PNG of a kind that is read here."""


class _Header(NamedTuple):
    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filtering: int
    interlace: int


def encode_png(picture: NDArray[np.uint8], level: int = 3) -> bytes:
    """Encode (h, w) grey or (h, w, 3) RGB uint8; equal pictures give equal bytes.

    Args:
        level: zlib's, 0..9.

    Raises:
        ValueError: another shape or dtype.
    """
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or not picture.size:
        raise ValueError(f"the picture is {picture.dtype} {picture.shape}; it must be uint8")
    if picture.ndim == 3 and picture.shape[2] != 3:
        raise ValueError(f"the picture has {picture.shape[2]} components; it must have 3")
    height, width = picture.shape[:2]
    rows = picture.reshape(height, -1)
    lines = np.empty((height, rows.shape[1] + 1), np.uint8)
    lines[:, 0] = 2
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if picture.ndim == 3 else 0, 0, 0, 0)
    body = zlib.compress(lines.data, level)
    return SIGNATURE + b"".join(
        (_chunk(b"IHDR", header), _chunk(b"IDAT", body), _chunk(b"IEND", b""))
    )


def decode_png(data: Bytes, max_pixels: int) -> NDArray[np.uint8]:
    """Decode an 8-bit grey or RGB PNG that is not interlaced.

    Args:
        data: the whole file.
        max_pixels: most pixels it may have; checked before anything is allocated.

    Returns:
        (h, w) grey or (h, w, 3) RGB uint8, writable.

    Raises:
        PngError: another format or kind, damaged, cut short, or larger than `max_pixels`.
    """
    view = readable("data", data).data
    if view[: len(SIGNATURE)] != SIGNATURE:
        raise PngError("not a PNG: the signature is missing")
    chunks = _chunks(view)
    header = _header(chunks, max_pixels)
    pixel = COLOUR_TYPES[header.colour]
    lines = _inflate(chunks, header.height, 1 + header.width * pixel)
    wrong: int = _unfilter(lines, pixel)
    if wrong >= 0:
        raise PngError(f"row {wrong} of the PNG has an unknown filter, {lines[wrong, 0]}")
    shape = (header.height, header.width, pixel)[: 2 if pixel == 1 else 3]
    return np.ascontiguousarray(lines[:, 1:]).reshape(shape)


def pixels_only(data: Bytes) -> Bytes:
    """A PNG of any kind without the chunks that do not change its pixels.

    Other decoders inflate texts and colour profiles to any size before they look at pixels. Every
    checksum is checked. What holds no such chunks is given back as it is.

    Raises:
        PngError: not a PNG, damaged or cut short.
    """
    view = readable("data", data).data
    if view[: len(SIGNATURE)] != SIGNATURE:
        raise PngError("not a PNG: the signature is missing")
    chunks = list(_chunks(view))
    if all(name in _PIXELS for name, _ in chunks):
        return data
    return SIGNATURE + b"".join(
        _chunk(name, bytes(body)) for name, body in chunks if name in _PIXELS
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    place = len(SIGNATURE)
    while place + 12 <= len(view):
        (length,) = struct.unpack_from(">I", view, place)
        end = place + 12 + length
        if end > len(view):
            break
        name, body = bytes(view[place + 4 : place + 8]), view[place + 8 : end - 4]
        if zlib.crc32(view[place + 4 : end - 4]) != struct.unpack_from(">I", view, end - 4)[0]:
            raise PngError(f"the checksum of the PNG's chunk {name!r} is wrong")
        yield name, body
        if name == b"IEND":
            return
        place = end
    raise PngError("the PNG is cut short")


def _header(chunks: Iterator[tuple[bytes, memoryview]], max_pixels: int) -> _Header:
    name, body = next(chunks)
    if name != b"IHDR" or len(body) != 13:
        raise PngError("the PNG does not begin with its header")
    header = _Header._make(struct.unpack(">IIBBBBB", body))
    if not header.width or not header.height or header.width * header.height > max_pixels:
        raise PngError(
            f"a PNG of {header.width}x{header.height} pixels; the limit is {max_pixels} in all"
        )
    if header.depth != 8 or header.colour not in COLOUR_TYPES or any(header[4:]):
        raise PngError(
            f"a PNG of {header.depth} bits, colour type {header.colour}, interlace "
            f"{header.interlace}; only 8-bit grey and RGB without interlace are read"
        )
    return header


def _inflate(
    chunks: Iterator[tuple[bytes, memoryview]], height: int, line: int
) -> NDArray[np.uint8]:
    stream, size = zlib.decompressobj(), height * line
    raw = bytearray()
    for name, body in chunks:
        if name == b"IDAT" and not stream.eof:
            raw += _piece(stream, body, size - len(raw))
        elif name[0:1].isupper() and name not in (b"IDAT", b"PLTE", b"IEND"):
            raise PngError(f"the PNG has a chunk {name!r} that nobody knows")
    if len(raw) != size or not stream.eof:
        raise PngError(f"the PNG holds {len(raw)} bytes of pixels; its header says {size}")
    return np.frombuffer(raw, np.uint8).reshape(height, line)


def _piece(stream: zlib._Decompress, body: memoryview, room: int) -> bytes:
    try:
        piece = stream.decompress(body, room + 1)
    except zlib.error as error:
        raise PngError(f"the PNG's pixels are damaged: {error}") from error
    if len(piece) > room:
        raise PngError("the PNG holds more pixels than its header says")
    return piece
