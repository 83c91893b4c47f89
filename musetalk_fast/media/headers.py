"""What a picture says of itself, read before anything is decoded or allocated."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from musetalk_fast.errors import ImageFormatError
from musetalk_fast.media import png

_VIDEO_MARKS = ((4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (8, b"AVI "), (0, b"FLV"), (0, b"GIF8"))
_TIFF_NUMBERS = {3: "H", 4: "I"}
_WIDTH, _HEIGHT, _COMPRESSION, _ORIENTATION = 256, 257, 259, 274
_TILE_WIDTH = 322
_TIFF_JPEG = (6, 7)
_BMP_PLAIN = (0, 3)
"""Without run lengths: as RGB or palette, or by bit masks."""

_JPEG_SCANS = 200
"""A progressive JPEG has about ten; one with thousands only keeps a decoder busy."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture's first bytes say.

    Attributes:
        codec: FFmpeg's name of the format.
        width, height: pixels, as stored.
        orientation: EXIF's, 1..8.
        least_bytes: a shorter file is cut; 0 where the header does not say.
    """

    codec: str
    width: int
    height: int
    orientation: int
    least_bytes: int = 0


def read_header(data: bytes) -> Header:
    """Recognise a picture by its first bytes; nothing is decoded.

    Raises:
        errors.ImageFormatError: no known format, a video, or a header that is cut.
    """
    try:
        if data.startswith(png.SIGNATURE):
            return _png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith(b"BM"):
            return _bmp(data)
        if data[:4] in (b"II*\0", b"MM\0*"):
            return _tiff(data)
    except (struct.error, IndexError, zlib.error) as error:
        raise ImageFormatError("the picture's header is cut or broken") from error
    raise _unknown(data)


def _unknown(data: bytes) -> ImageFormatError:
    if not data:
        return ImageFormatError("the file is empty")
    if any(data[at : at + len(mark)] == mark for at, mark in _VIDEO_MARKS):
        return _moving()
    return ImageFormatError("this is no PNG, JPEG, WebP, BMP or TIFF picture")


def _moving() -> ImageFormatError:
    return ImageFormatError(
        "this is a video or an animation; the avatar must be a still picture",
        hint="give one of its frames as a PNG or JPEG",
    )


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    exif = b""
    for chunk in png.chunks(data):
        if chunk.kind == b"acTL" and int.from_bytes(chunk.body[:4], "big") > 1:
            raise _moving()
        if chunk.kind == b"eXIf":
            exif = exif or bytes(chunk.body)
    return Header("png", width, height, _exif_orientation(exif))


def _jpeg(data: bytes) -> Header:
    import simplejpeg

    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise ImageFormatError(f"broken JPEG: {error}") from error
    if data.count(b"\xff\xda") > _JPEG_SCANS:
        raise ImageFormatError(f"a JPEG of more than {_JPEG_SCANS} scans")
    return Header("mjpeg", width, height, _exif_orientation(_jpeg_exif(data)))


def _jpeg_exif(data: bytes) -> bytes:
    """The body of the Exif segment, empty if there is none before the first scan."""
    at = 2
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        if data[at + 1] == 0xFF:
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return data[at + 10 : at + 2 + length]
        at += 2 + length
    return b""


def _webp(data: bytes) -> Header:
    kind, body = data[12:16], data[20:]
    exif = b""
    if kind == b"VP8X":
        if body[0] & 0x02:
            raise _moving()
        width = 1 + int.from_bytes(body[4:7], "little")
        height = 1 + int.from_bytes(body[7:10], "little")
        exif = next((body for kind, body in _riff_chunks(data) if kind == b"EXIF"), b"")
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
    return Header("webp", width, height, _exif_orientation(exif.removeprefix(b"Exif\0\0")))


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _bmp(data: bytes) -> Header:
    (pixels, size) = struct.unpack_from("<II", data, 10)
    if size == 12:
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
        packing = 0
    else:
        width, height, _, depth, packing = struct.unpack_from("<iiHHI", data, 18)
    height = abs(height)  # negative: rows from the top
    # Of a shorter file, FFmpeg would take the rows for unpadded, and shear the picture.
    least = pixels + (width * depth + 31) // 32 * 4 * height if packing in _BMP_PLAIN else 0
    return Header("bmp", width, height, 1, least)


def _tiff(data: bytes) -> Header:
    tags = _tiff_tags(data)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise ImageFormatError("a TIFF without a size")
    # Of these, FFmpeg makes a black or shuffled picture and no error.
    if tags.get(_COMPRESSION) in _TIFF_JPEG:
        raise ImageFormatError("a TIFF with JPEG inside", hint="save it as a PNG or a plain JPEG")
    if _TILE_WIDTH in tags:
        raise ImageFormatError("a TIFF made of tiles", hint="save it as a PNG or a plain TIFF")
    return Header("tiff", tags[_WIDTH], tags[_HEIGHT], _sane(tags.get(_ORIENTATION, 1)))


def _exif_orientation(exif: bytes) -> int:
    """Orientation of an Exif block; 1 (as stored) if it has none or is damaged."""
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    try:
        return _sane(_tiff_tags(exif).get(_ORIENTATION, 1))
    except struct.error:
        return 1


def _sane(orientation: int) -> int:
    return orientation if 1 <= orientation <= 8 else 1


def _tiff_tags(data: bytes) -> dict[int, int]:
    """Whole-number tags (first value) of the first directory of a TIFF."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    tags: dict[int, int] = {}
    for entry in range(count):
        place = at + 2 + 12 * entry
        tag, kind = struct.unpack_from(order + "HH", data, place)
        if kind in _TIFF_NUMBERS:
            tags.setdefault(
                tag, struct.unpack_from(order + _TIFF_NUMBERS[kind], data, place + 8)[0]
            )
    return tags
