"""What a picture says of itself, read before anything is decoded or allocated."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from musetalk_fast.errors import ImageFormatError

_PNG = b"\x89PNG\r\n\x1a\n"
_VIDEO_MARKS = ((4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (8, b"AVI "), (0, b"FLV"), (0, b"GIF8"))
_TIFF_NUMBERS = {3: "H", 4: "I"}
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
_JPEG_SCANS = 200
"""A progressive JPEG has about ten; one with thousands only keeps a decoder busy."""


@dataclass(frozen=True, slots=True)
class Header:
    """Format (FFmpeg's codec name), stored size in pixels, and EXIF orientation 1..8."""

    codec: str
    width: int
    height: int
    orientation: int


def read_header(data: bytes) -> Header:
    """Recognise a picture by its first bytes; nothing is decoded.

    Raises:
        errors.ImageFormatError: no known format, a video, or a header that is cut.
    """
    try:
        if data.startswith(_PNG):
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
    for kind, body in png_chunks(data):
        if kind == b"eXIf":
            exif = body
            break
    return Header("png", width, height, _exif_orientation(exif))


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, body) of each chunk of a PNG, as far as they are whole."""
    at = len(_PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


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
    if int.from_bytes(data[14:18], "little") == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    # A negative height means rows from the top.
    return Header("bmp", width, abs(height), 1)


def _tiff(data: bytes) -> Header:
    tags = _tiff_tags(data)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise ImageFormatError("a TIFF without a size")
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
