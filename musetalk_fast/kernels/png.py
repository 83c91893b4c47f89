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
"""The chunks that make the pixels."""

_PIECE = 4000
"""Bytes that are inflated at a time: what a picture is read with beside its own array."""

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

    @property
    def pixel(self) -> int:
        """Bytes of a pixel."""
        return COLOUR_TYPES[self.colour]

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.height, self.width, 3) if self.pixel == 3 else (self.height, self.width)


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
    header, chunks = _opened(data, max_pixels)
    out = np.empty(header.shape, np.uint8)
    _read_rows(chunks, header, out)
    return out


def decode_png_into(data: Bytes, out: NDArray[np.uint8]) -> None:
    """Decode an 8-bit grey or RGB PNG that is not interlaced into the caller's array.

    The header is read first: a picture of another shape is refused before anything is decoded.

    Args:
        data: the whole file.
        out: (h, w) or (h, w, 3) uint8, C-contiguous, writable; undefined after an error.

    Raises:
        PngError: as `decode_png`, or a picture of another shape than `out`.
        ValueError: `out` has another dtype or layout.
    """
    if out.dtype != np.uint8 or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out is {out.dtype}; it must be uint8, C-contiguous and writable")
    header, chunks = _opened(data, out.size)
    if header.shape != out.shape:
        raise PngError(f"PNG of shape {header.shape} where {out.shape} is expected")
    _read_rows(chunks, header, out)


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
    kept = (_chunk(name, bytes(body)) for name, body in chunks if name in _PIXELS)
    return SIGNATURE + b"".join(kept)


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


def _opened(data: Bytes, max_pixels: int) -> tuple[_Header, Iterator[tuple[bytes, memoryview]]]:
    view = readable("data", data).data
    if view[: len(SIGNATURE)] != SIGNATURE:
        raise PngError("not a PNG: the signature is missing")
    chunks = _chunks(view)
    return _header(chunks, max_pixels), chunks


def _read_rows(
    chunks: Iterator[tuple[bytes, memoryview]], header: _Header, out: NDArray[np.uint8]
) -> None:
    """Inflate a few lines at a time and undo their filters into `out`."""
    rows = out.reshape(header.height, -1)
    line = rows.shape[1] + 1
    lines = np.empty((min(header.height, max(1, _PIECE // line)), line), np.uint8)
    flat, done, total = lines.reshape(-1), 0, header.height * line
    for start, piece in _inflated(chunks, total):
        taken = 0
        while taken < len(piece):
            place = start + taken - done * line
            count = min(len(piece) - taken, len(flat) - place)
            flat.data[place : place + count] = piece[taken : taken + count]
            taken += count
            if place + count == len(flat) or start + taken == total:
                whole = (place + count) // line
                _undo(lines[:whole], header, rows, done)
                done += whole


def _undo(lines: NDArray[np.uint8], header: _Header, rows: NDArray[np.uint8], first: int) -> None:
    above = rows[first - 1] if first else None
    wrong: int = _unfilter(lines, header.pixel, above, rows[first : first + len(lines)])
    if wrong >= 0:
        raise PngError(f"row {first + wrong} of the PNG has an unknown filter, {lines[wrong, 0]}")


def _inflated(
    chunks: Iterator[tuple[bytes, memoryview]], total: int
) -> Iterator[tuple[int, bytes]]:
    """Pieces of the pixels, each with the number of bytes before it."""
    stream, size = zlib.decompressobj(), 0
    for name, body in chunks:
        if name == b"IDAT" and not stream.eof:
            for piece in _pieces(stream, body):
                if size + len(piece) > total:
                    raise PngError("the PNG holds more pixels than its header says")
                yield size, piece
                size += len(piece)
        elif name[0:1].isupper() and name not in (b"IDAT", b"PLTE", b"IEND"):
            raise PngError(f"the PNG has a chunk {name!r} that nobody knows")
    if size != total or not stream.eof:
        raise PngError(f"the PNG holds {size} bytes of pixels; its header says {total}")


def _pieces(stream: zlib._Decompress, body: memoryview) -> Iterator[bytes]:
    """What a chunk inflates to; neither its pieces nor the rests that zlib copies are large."""
    for start in range(0, len(body), _PIECE):
        rest: bytes | memoryview = body[start : start + _PIECE]
        while not stream.eof:
            try:
                piece = stream.decompress(rest, _PIECE)
            except zlib.error as error:
                raise PngError(f"the PNG's pixels are damaged: {error}") from error
            rest = stream.unconsumed_tail
            yield piece
            if len(piece) < _PIECE:
                break
