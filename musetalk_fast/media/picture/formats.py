"""A file becomes a picture of Pillow's: known formats only, bounded before anything is decoded.

The plugins are called by name: `Image.open` would look at every format that the process knows, and
its bounds are the process's own.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from musetalk_fast.errors import ImageFormatError
from musetalk_fast.kernels import png
from musetalk_fast.media.picture.exif import TURNED_BY_A_QUARTER
from musetalk_fast.media.picture.item_properties import main_properties
from musetalk_fast.media.picture.jpeg_file import read_jpeg
from musetalk_fast.media.picture.picture_file import PictureFile, broken, check_size, moving, quiet
from musetalk_fast.media.picture.pillow_file import MODES, PillowPicture, low_bytes
from musetalk_fast.media.picture.png_chunks import read_ancillary
from musetalk_fast.media.picture.proportions import pixel_aspect

if TYPE_CHECKING:
    from PIL import ImageFile

_MAX_RUNS = 1 << 22
"""Bytes of a BMP with run lengths: Pillow reads them one by one, in Python."""
_TILE_WIDTH, _TILE_HEIGHT, _ORIENTATION, _SUB_IFDS = 322, 323, 274, 330
_RESOLUTION = (282, 283)
_LARGE_TILE = 1 << 20
"""Pixels that any tile of a TIFF may have."""

_VIDEO_MARKS = ((0, b"\x1aE\xdf\xa3"), (8, b"AVI "), (0, b"FLV"))
_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""Boxes that a MOV of the time before `ftyp` begins with."""
MAX_MARK = 256
"""First bytes of a file by which it is recognised."""
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1"))
_RAW_BRAND = b"crx "
_PICTURE_BRANDS = _HEIF_BRANDS | {b"avif", _RAW_BRAND}


def open_picture(data: bytes) -> PictureFile:
    """Recognise a picture by its first bytes and read its header.

    Raises:
        errors.ImageFormatError: no known format, a video, or a damaged header.
        errors.ImageSizeError: a side outside 64..8192 pixels.
    """
    name, opener = _opener(data)
    with broken(name), quiet():
        picture = opener(data)
    check_size(*picture.size)
    return picture


def is_video(mark: bytes) -> bool:
    """Whether a file's first `MAX_MARK` bytes are those of a video, and of no picture."""
    if mark[4:8] == b"ftyp":
        return _brand(mark) not in _PICTURE_BRANDS
    return mark[4:8] in _QUICKTIME or any(mark.startswith(each, at) for at, each in _VIDEO_MARKS)


def is_picture(mark: bytes) -> bool:
    """Whether a file's first `MAX_MARK` bytes are those of a picture."""
    if mark[4:8] == b"ftyp":
        return not is_video(mark)
    is_webp = mark.startswith(b"RIFF") and mark[8:12] == b"WEBP"
    return is_webp or any(mark.startswith(marks) for marks, _, _ in _FORMATS)


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
    raise ImageFormatError(
        "this is no picture (PNG, JPEG, WebP, BMP, TIFF, GIF, AVIF, HEIC) and no video",
        hint="give a picture or a video that other programs open",
    )


def _boxed(data: bytes) -> tuple[str, Callable[[bytes], PictureFile]]:
    brand = _brand(data)
    if brand == b"avif":
        return "AVIF", _avif
    if brand in _HEIF_BRANDS:
        return "HEIC", _heif
    if brand == _RAW_BRAND:
        raise ImageFormatError("this is a camera's raw picture", hint="save it as a PNG or JPEG")
    raise moving()


def _brand(data: bytes) -> bytes:
    """What the boxes of a file are: `avif` if it claims to be that, too, else its major brand."""
    length = min(int.from_bytes(data[:4], "big"), MAX_MARK)
    others = (data[at : at + 4] for at in range(16, length, 4))
    return b"avif" if b"avif" in (data[8:12], *others) else data[8:12]


def _png(data: bytes) -> PictureFile:
    from PIL import PngImagePlugin

    check_size(*struct.unpack_from(">II", data, 16))
    parts = png.chunks(data)
    header = png.read_header(parts)
    said = read_ancillary(parts)
    if said.frames > 1:
        raise moving()
    png.check_pixels(header, png.chunks(data))
    pixels = png.pixels_only(data)

    def opened() -> ImageFile.ImageFile:
        return PngImagePlugin.PngImageFile(io.BytesIO(pixels))

    image = opened()
    if header.colour != png.PALETTE:
        image.info.pop("transparency", None)  # of 2 and 4 bits Pillow does not spread it
    return PillowPicture(
        *("PNG", image, said.exif, said.profile, said.aspect),
        key=_key(said.transparent, header),
        low=low_bytes(opened),
    )


def _key(body: bytes, header: png.Header) -> tuple[int, ...]:
    """The transparent grey or colour; samples of fewer than 8 bits are spread as pixels are."""
    if header.colour not in (png.GREY, png.RGB):
        return ()
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
    picture = _known("BMP", image)
    picture.aspect = pixel_aspect(*image.info.get("dpi", (1, 1)))
    return picture


def _tiff(data: bytes) -> PictureFile:
    from PIL import TiffImagePlugin

    def opened() -> TiffImagePlugin.TiffImageFile:
        image = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
        image.getexif()  # which decoding would ask for, no longer quietly
        return image

    image = opened()
    check_size(*image.size)
    across, down = (image.tag_v2.get(tag, 0) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    if across * down > max(2 * image.width * image.height, _LARGE_TILE):
        raise ImageFormatError(f"a TIFF with tiles of {across}x{down} pixels")
    picture = _known("TIFF", image)
    picture.exif, picture.low = b"", low_bytes(opened)  # the plugin turns it upright
    aspect = pixel_aspect(*(_number(image.tag_v2.get(tag, 1)) for tag in _RESOLUTION))
    picture.aspect = 1 / aspect if image.tag_v2.get(_ORIENTATION) in TURNED_BY_A_QUARTER else aspect
    picture.has_others = bool(image.tag_v2.next) or _SUB_IFDS in image.tag_v2
    return picture


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0


def _gif(data: bytes) -> PictureFile:
    from PIL import GifImagePlugin

    picture = _still("GIF", GifImagePlugin.GifImageFile(io.BytesIO(data)))
    picture.aspect = (data[12] + 15) / 64 if data[12] else 1.0  # GIF89a, section 18
    return picture


def _avif(data: bytes) -> PictureFile:
    from PIL import AvifImagePlugin

    picture = _still("AVIF", AvifImagePlugin.AvifImageFile(io.BytesIO(data)))
    said = main_properties(data)
    picture.profile, picture.aspect = picture.profile or said.colours, said.aspect
    return picture


def _heif(data: bytes) -> PictureFile:
    try:
        import pillow_heif
    except ImportError:
        raise ImageFormatError(
            "this is a HEIC picture, which needs an extra package",
            hint="pip install 'musetalk-fast[heif]', or save it as a PNG or JPEG",
        ) from None
    # Several pictures are no animation: the main one of them counts.
    image: ImageFile.ImageFile = pillow_heif.HeifImageFile(io.BytesIO(data))
    picture = _known("HEIC", image)
    said = main_properties(data)
    picture.profile = picture.profile or said.colours
    picture.aspect = 1 / said.aspect if said.is_lying else said.aspect  # the plugin turns it
    picture.has_others = image.is_animated  # type: ignore[attr-defined]
    return picture


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
    profile = None if image.mode == "LAB" else image.info.get("icc_profile")
    return PillowPicture(name, image, image.info.get("exif", b""), profile)


_FORMATS: tuple[tuple[bytes | tuple[bytes, ...], str, Callable[[bytes], PictureFile]], ...] = (
    (png.SIGNATURE, "PNG", _png),
    (b"\xff\xd8\xff", "JPEG", read_jpeg),
    (b"BM", "BMP", _bmp),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF", _tiff),
    ((b"GIF87a", b"GIF89a"), "GIF", _gif),
)
