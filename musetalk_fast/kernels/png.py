"""PNG: the 8-bit grey and RGB pictures of the wire as arrays, and the bounds of every other kind.

Filters are undone by Pillow. It neither notices rows that are missing nor pixels that are too many:
the pixels are inflated here, against the size that the header says.
Format: PNG specification, third edition (W3C, 2025).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.buffers import Bytes, readable

if TYPE_CHECKING:
    from PIL import Image
    from typing_extensions import Buffer

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
"""Colour types."""

_SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
_PIXELS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
"""The chunks that make the pixels."""
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
           (0, 1, 1, 2))  # fmt: skip
"""Adam7: first column, first row, and the steps to the next (section 8.1)."""
_BLOCK = 1 << 20
_MAX_CHUNKS = 1 << 17
"""A picture of 8192 x 8192 pixels in pieces of 4 KB has as many at most."""


class PngError(ValueError):
    """Bytes that are not a whole PNG of a kind that is read here."""


class Chunk(NamedTuple):
    """A chunk's type and body; nothing is copied."""

    name: bytes
    body: memoryview


class Header(NamedTuple):
    """IHDR."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filtering: int
    interlace: int

    @property
    def size(self) -> int:
        """Bytes of the inflated pixels, with a filter's number before each row."""
        bits = self.depth * _SAMPLES[self.colour]
        passes = _PASSES if self.interlace else ((0, 0, 1, 1),)
        sides = ((-((x - self.width) // dx), -((y - self.height) // dy)) for x, y, dx, dy in passes)
        return sum(down * (1 + (across * bits + 7) // 8) for across, down in sides if across > 0)


def encode_png(picture: NDArray[np.uint8], level: int = 3) -> bytes:
    """Encode (h, w) grey or (h, w, 3) RGB uint8; equal pictures give equal bytes.

    Pillow tries every filter on every row and takes twice as long.

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
    header = Header(width, height, 8, RGB if picture.ndim == 3 else GREY, 0, 0, 0)
    body = zlib.compress(lines.data, level)
    return _file([(b"IHDR", struct.pack(">IIBBBBB", *header)), (b"IDAT", body), (b"IEND", b"")])


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
    return np.array(_unfiltered(*_opened(data, max_pixels)))


def decode_png_into(data: Bytes, out: NDArray[np.uint8]) -> None:
    """Decode an 8-bit grey or RGB PNG that is not interlaced into the caller's array.

    The header is read first: a picture of another shape is refused before anything is decoded.

    Args:
        data: the whole file.
        out: (h, w) or (h, w, 3) uint8, C-contiguous, writable; untouched after an error.

    Raises:
        PngError: as `decode_png`, or a picture of another shape than `out`.
        ValueError: `out` has another dtype or layout.
    """
    if out.dtype != np.uint8 or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out is {out.dtype}; it must be uint8, C-contiguous and writable")
    header, parts = _opened(data, out.size)
    shape = (header.height, header.width, 3)[: 3 if header.colour == RGB else 2]
    if shape != out.shape:
        raise PngError(f"PNG of shape {shape} where {out.shape} is expected")
    np.copyto(out, np.asarray(_unfiltered(header, parts)))


def pixels_only(data: Buffer) -> Buffer:
    """A PNG of any kind without the chunks that do not change its pixels.

    Other decoders inflate texts and colour profiles to any size before they look at pixels. What
    holds no such chunks is given back as it is.

    Raises:
        PngError: not a PNG, damaged or cut short.
    """
    parts = list(chunks(data))
    if all(part.name in _PIXELS for part in parts):
        return data
    return _file(part for part in parts if part.name in _PIXELS)


def check_pixels(header: Header, parts: Iterable[Chunk]) -> None:
    """Inflate the pixels of a PNG of any kind once, a block at a time.

    Raises:
        PngError: they are damaged, or more or fewer than the header says.
    """
    for _ in _inflated(header, parts):
        pass


def chunks(data: Bytes) -> Iterator[Chunk]:
    """The chunks of a PNG; the checksums of those that a decoder must know are checked.

    Raises:
        PngError: not a PNG, damaged or cut short.
    """
    view = readable("data", data).data
    if view[: len(SIGNATURE)] != SIGNATURE:
        raise PngError("not a PNG: the signature is missing")
    place = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if place + 12 > len(view):
            break
        (length,) = struct.unpack_from(">I", view, place)
        end = place + 12 + length
        if end > len(view):
            break
        name, wanted = bytes(view[place + 4 : place + 8]), view[end - 4 : end]
        if name in _PIXELS and zlib.crc32(view[place + 4 : end - 4]).to_bytes(4, "big") != wanted:
            raise PngError(f"the checksum of the PNG's chunk {name!r} is wrong")
        if name[:1].isupper() and name not in _PIXELS:
            raise PngError(f"the PNG has an unknown critical chunk {name!r}")
        yield Chunk(name, view[place + 8 : end - 4])
        if name == b"IEND":
            return
        place = end
    else:
        raise PngError(f"a PNG of more than {_MAX_CHUNKS} chunks")
    raise PngError("the PNG is cut short")


def read_header(parts: Iterator[Chunk]) -> Header:
    """The header, taken from the front of a PNG's chunks.

    Raises:
        PngError: it is not there, or says what is no picture.
    """
    name, body = next(parts)
    if name != b"IHDR" or len(body) != 13:
        raise PngError("the PNG does not begin with its header")
    header = Header._make(struct.unpack(">IIBBBBB", body))
    if header.colour not in _SAMPLES or header.interlace > 1:
        raise PngError(f"a PNG of colour type {header.colour}, interlace {header.interlace}")
    return header


def _file(parts: Iterable[tuple[bytes, Buffer]]) -> bytes:
    """A PNG of chunks."""
    pieces = [SIGNATURE]
    for name, body in parts:
        checksum = zlib.crc32(body, zlib.crc32(name))
        pieces += [struct.pack(">I", len(memoryview(body))), name, bytes(body)]
        pieces.append(struct.pack(">I", checksum))
    return b"".join(pieces)


def _opened(data: Bytes, max_pixels: int) -> tuple[Header, Iterator[Chunk]]:
    parts = chunks(data)
    header = read_header(parts)
    if not header.width or not header.height or header.width * header.height > max_pixels:
        raise PngError(
            f"a PNG of {header.width}x{header.height} pixels; the limit is {max_pixels} in all"
        )
    if header.depth != 8 or header.colour not in (GREY, RGB) or any(header[4:]):
        raise PngError(
            f"a PNG of {header.depth} bits, colour type {header.colour}, interlace "
            f"{header.interlace}; only 8-bit grey and RGB without interlace are read"
        )
    return header, parts


def _unfiltered(header: Header, parts: Iterable[Chunk]) -> Image.Image:
    from PIL import Image

    # Pillow undoes filters only where it inflates: it gets the checked lines as they are, stored.
    lines = zlib.compress(b"".join(_inflated(header, parts)), 0)
    mode = "RGB" if header.colour == RGB else "L"
    try:
        return Image.frombytes(mode, (header.width, header.height), lines, "zip", mode, 0)
    except ValueError as error:
        raise PngError("a row of the PNG has an unknown filter") from error


def _inflated(header: Header, parts: Iterable[Chunk]) -> Iterator[bytes]:
    """The pixels as they are in the file, in blocks; the last one once all checks have passed."""
    stream, size = zlib.decompressobj(), 0
    for name, body in parts:
        rest: bytes | memoryview = body if name == b"IDAT" else b""
        while rest and not stream.eof:
            try:
                piece = stream.decompress(rest, min(_BLOCK, header.size - size + 1))
            except zlib.error as error:
                raise PngError(f"the PNG's pixels are damaged: {error}") from error
            rest, size = stream.unconsumed_tail, size + len(piece)
            if size > header.size:
                raise PngError("the PNG holds more pixels than its header claims")
            yield piece
    if size != header.size or not stream.eof:
        raise PngError(f"the PNG holds {size} bytes of pixels; its header says {header.size}")
