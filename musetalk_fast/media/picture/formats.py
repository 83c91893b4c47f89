"""A file becomes a picture of Pillow's: known formats only, bounded before anything is decoded.

The plugins are called by name: `Image.open` would look at every format that the process knows, and
its bounds are the process's own.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from musetalk_fast.errors import ImageFormatError
from musetalk_fast.kernels import png
from musetalk_fast.media.picture.interface import PictureFile, broken, check_size, moving
from musetalk_fast.media.picture.jpeg_file import read_jpeg
from musetalk_fast.media.picture.pillow_file import MODES, PillowPicture, low_bytes

if TYPE_CHECKING:
    from PIL import ImageFile

_MAX_PROFILE = 1 << 22
"""Bytes of a colour profile that a PNG has deflated."""
_MAX_RUNS = 1 << 22
"""Bytes of a BMP with run lengths: Pillow reads them one by one, in Python."""
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_LARGE_TILE = 1 << 20
"""Pixels that any tile of a TIFF may have."""

_VIDEO_MARKS = ((0, b"\x1aE\xdf\xa3"), (8, b"AVI "), (0, b"FLV"))
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1"))


def open_picture(data: bytes) -> PictureFile:
    """Recognise a picture by its first bytes and read its header.

    Raises:
        errors.ImageFormatError: no known format, a video, or a damaged header.
        errors.ImageSizeError: a side outside 64..8192 pixels.
    """
    name, opener = _opener(data)
    with broken(name):
        picture = opener(data)
    check_size(*picture.size)
    return picture


def _opener(data: bytes) -> tuple[str, Callable[[bytes], PictureFile]]:
    for marks, name, opener in _FORMATS:
        if data.startswith(marks):
            return name, opener
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP", _webp
    if data[4:8] == b"ftyp":
        return _boxed(data)
    if not data:
        raise ImageFormatError("the file is empty")
    if any(data.startswith(mark, at) for at, mark in _VIDEO_MARKS):
        raise moving()
    raise ImageFormatError("this is not a PNG, JPEG, WebP, BMP, TIFF, GIF, AVIF or HEIC picture")


def _boxed(data: bytes) -> tuple[str, Callable[[bytes], PictureFile]]:
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, length, 4))}
    if b"avif" in brands:
        return "AVIF", _avif
    if data[8:12] in _HEIF_BRANDS:
        return "HEIC", _heif
    raise moving()


def _png(data: bytes) -> PictureFile:
    from PIL import PngImagePlugin

    check_size(*struct.unpack_from(">II", data, 16))
    parts = png.chunks(data)
    header = png.read_header(parts)
    exif: bytes = b""
    profile: bytes | None = None
    key: tuple[int, ...] = ()
    for chunk, body in parts:
        if chunk == b"acTL" and int.from_bytes(body[:4], "big") > 1:
            raise moving()
        if chunk == b"eXIf":
            exif = exif or bytes(body)
        elif chunk == b"iCCP":
            profile = _inflated_profile(body)
        elif chunk == b"tRNS" and header.colour in (png.GREY, png.RGB):
            key = _key(body, header)
    png.check_pixels(header, png.chunks(data))
    pixels = png.pixels_only(data)

    def opened() -> ImageFile.ImageFile:
        return PngImagePlugin.PngImageFile(io.BytesIO(pixels))

    image = opened()
    if header.colour != png.PALETTE:
        image.info.pop("transparency", None)  # of 2 and 4 bits Pillow does not spread it
    return PillowPicture("PNG", image, exif, profile, key, low_bytes(opened))


def _inflated_profile(body: memoryview) -> bytes:
    """A profile behind its name and a zero; empty if it is damaged or beyond its bound."""
    _, _, rest = bytes(body).partition(b"\0")
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(rest[1:], _MAX_PROFILE)
    except zlib.error:
        return b""
    return profile if stream.eof else b""


def _key(body: memoryview, header: png.Header) -> tuple[int, ...]:
    """The transparent grey or colour; samples of fewer than 8 bits are spread as pixels are."""
    samples = [int.from_bytes(body[at : at + 2], "big") for at in range(0, len(body), 2)]
    if len(samples) != (1 if header.colour == png.GREY else 3):
        return ()
    spread = 255 // ((1 << header.depth) - 1) if header.depth < 8 else 1
    return tuple(sample * spread for sample in samples)


def _webp(data: bytes) -> PictureFile:
    from PIL import WebPImagePlugin

    if data[12:16] == b"VP8X":  # with a canvas of its own, which Pillow would allocate
        check_size(*(1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27)))
    image = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
    return _still("WebP", image)


def _bmp(data: bytes) -> PictureFile:
    from PIL import BmpImagePlugin

    image = BmpImagePlugin.BmpImageFile(io.BytesIO(data))
    if len(data) > _MAX_RUNS and any(tile.codec_name == "bmp_rle" for tile in image.tile):
        raise ImageFormatError(f"a BMP with run lengths above {_MAX_RUNS >> 20} MiB")
    return _known("BMP", image)


def _tiff(data: bytes) -> PictureFile:
    from PIL import TiffImagePlugin

    def opened() -> TiffImagePlugin.TiffImageFile:
        return TiffImagePlugin.TiffImageFile(io.BytesIO(data))

    image = opened()
    check_size(*image.size)
    across, down = (image.tag_v2.get(tag, 0) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    if across * down > max(2 * image.width * image.height, _LARGE_TILE):
        raise ImageFormatError(f"a TIFF with tiles of {across}x{down} pixels")
    # The plugin turns it upright.
    picture = _known("TIFF", image)
    picture.exif, picture.low = b"", low_bytes(opened)
    return picture


def _gif(data: bytes) -> PictureFile:
    from PIL import GifImagePlugin

    return _still("GIF", GifImagePlugin.GifImageFile(io.BytesIO(data)))


def _avif(data: bytes) -> PictureFile:
    from PIL import AvifImagePlugin

    return _still("AVIF", AvifImagePlugin.AvifImageFile(io.BytesIO(data)))


def _heif(data: bytes) -> PictureFile:
    try:
        import pillow_heif
    except ImportError:
        raise ImageFormatError(
            "this is a HEIC picture, which needs an extra package",
            hint="pip install 'musetalk-fast[heif]', or save it as a PNG or JPEG",
        ) from None
    # The plugin turns it upright. Several pictures are no animation: the first of them counts.
    file = io.BytesIO(data)
    image: ImageFile.ImageFile = pillow_heif.HeifImageFile(file)
    return _known("HEIC", image)


def _still(name: str, image: ImageFile.ImageFile) -> PillowPicture:
    check_size(*image.size)
    if image.is_animated:  # type: ignore[attr-defined]
        raise moving()
    return _known(name, image)


def _known(name: str, image: ImageFile.ImageFile) -> PillowPicture:
    if image.mode not in MODES and not image.mode.startswith("I;16"):
        raise ImageFormatError(
            f"a {name} of samples that are not read here ({image.mode})",
            hint="save it as a PNG of 8 or 16 bits",
        )
    return PillowPicture(name, image, image.info.get("exif", b""), image.info.get("icc_profile"))


_FORMATS: tuple[tuple[bytes | tuple[bytes, ...], str, Callable[[bytes], PictureFile]], ...] = (
    (png.SIGNATURE, "PNG", _png),
    (b"\xff\xd8\xff", "JPEG", read_jpeg),
    (b"BM", "BMP", _bmp),
    ((b"II*\0", b"MM\0*"), "TIFF", _tiff),
    ((b"GIF87a", b"GIF89a"), "GIF", _gif),
)
