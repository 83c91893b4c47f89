"""A still picture: checked, upright, flat, of the size the video will have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musetalk_fast.errors import ImageSizeError, InputError, UsageError
from musetalk_fast.media.input_file import open_input, read_errors
from musetalk_fast.media.picture.colours import parse_colour
from musetalk_fast.media.picture.exif import TURNED_BY_A_QUARTER, orientation
from musetalk_fast.media.picture.flatten import Flat, flatten
from musetalk_fast.media.picture.formats import open_picture
from musetalk_fast.media.picture.interface import MAX_SIDE, MIN_SIDE, PictureFile
from musetalk_fast.media.picture.proportions import NOTICEABLE, Square, square_pixels
from musetalk_fast.types import Picture

MAX_BYTES = 1 << 28
"""Of the file: as many as 8192 x 8192 pixels of four bytes."""


@dataclass(frozen=True, slots=True)
class Asset:
    """What is uploaded and the name it goes by.

    Attributes:
        data: its bytes, or the file that holds them.
    """

    data: bytes | Path
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A picture that is ready.

    Attributes:
        path: the original file.
        rgb: (height, width, 3) uint8 RGB, contiguous: upright, opaque, even in size.
        sha256: of the original file.
        notes: sentences for the user.
    """

    path: Path
    rgb: Picture
    sha256: str
    notes: tuple[str, ...]

    @property
    def width(self) -> int:
        """Pixels across; even."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Pixels down; even."""
        return int(self.rgb.shape[0])

    def png(self) -> Asset:
        """The picture as a lossless PNG, for the server."""
        from musetalk_fast.kernels.png import encode_png

        data = encode_png(self.rgb, level=1)  # of 1920x1080: 120 ms, not 200, and 9 % longer
        return Asset(data, hashlib.sha256(data).hexdigest())


def load_still(path: Path, *, background: str, resolution: tuple[int, int] | None) -> Still:
    """Read a PNG, JPEG, WebP, BMP, TIFF, AVIF or GIF; a HEIC where pillow-heif is installed.

    Colours are brought to sRGB by the picture's profile; without one they count as sRGB. The EXIF
    orientation is applied, transparency laid over `background`, 16 bits are rounded to 8; pixels
    that are not square become square. A PNG of 8-bit RGB without a profile keeps its exact pixels.

    Args:
        background: colour under transparent parts, as CSS writes it.
        resolution: (width, height) to scale to, exactly, whatever the picture's proportions; None
            keeps its size in square pixels, less the last column or row where that is odd.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.ImageFormatError: no picture, or a damaged one.
        errors.ImageSizeError: a side outside 64..8192 pixels, or a file above 256 MiB.
        errors.UsageError: a background or resolution that makes no sense.
    """
    colour = parse_colour(background)
    check_resolution(resolution)
    data = _read(path)
    try:
        picture = open_picture(data)
        turn = orientation(picture.exif)
        square = _square(picture, turn)
        flat = flatten(picture, colour)
    except InputError as error:
        error.where = str(path)
        raise
    rgb = np.ascontiguousarray(_sized(_turned(flat.rgb, turn), square, resolution))
    notes = (*_notes(picture, flat, background), *square.notes, *stretch_notes(square, resolution))
    return Still(Path(path), rgb, hashlib.sha256(data).hexdigest(), notes)


def _square(picture: PictureFile, turn: int) -> Square:
    """The size of a picture with square pixels, turned upright."""
    width, height = picture.size
    if turn in TURNED_BY_A_QUARTER:
        return square_pixels(height, width, 1 / picture.aspect)
    return square_pixels(width, height, picture.aspect)


def _notes(picture: PictureFile, flat: Flat, background: str) -> Iterator[str]:
    if picture.has_others:
        yield "the file holds several pictures: the one that it opens with is used"
    if flat.was_transparent:
        yield f"transparent parts were filled with {background} (--background)"
    if flat.lost_profile:
        yield "the colour profile cannot be used: the picture's colours count as sRGB"
    elif flat.guessed_inks:
        yield "the picture's inks (CMYK) have no colour profile: its colours are approximate"


def stretch_notes(square: Square, resolution: tuple[int, int] | None) -> Iterator[str]:
    """What to say of a resolution that changes a picture's proportions."""
    width, height = square.width, square.height
    across, down = resolution or (width, height)
    stretch = across * height / (down * width)
    if max(stretch, 1 / stretch) > NOTICEABLE:
        yield (
            f"the picture of {width}x{height} is stretched to {across}x{down} (--resolution): its "
            "proportions change"
        )


def check_resolution(resolution: tuple[int, int] | None) -> None:
    """Refuse sides that are odd, or outside 64..8192 pixels.

    Raises:
        errors.UsageError: such ones.
    """
    if resolution is None:
        return
    if any(side % 2 or not MIN_SIDE <= side <= MAX_SIDE for side in resolution):
        width, height = resolution
        raise UsageError(
            f"the resolution {width}x{height} cannot be encoded",
            hint=f"give even numbers from {MIN_SIDE} to {MAX_SIDE}, such as 1280x720",
        )


def _read(path: Path) -> bytes:
    with open_input(path) as file, read_errors(path):
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ImageSizeError(
            f"the file is larger than {MAX_BYTES >> 20} MiB",
            where=str(path),
            hint="save it as a PNG or JPEG",
        )
    return data


def _turned(rgb: Picture, orientation: int) -> Picture:
    """Apply an EXIF orientation (1 to 8; Exif 2.32, section 4.6.4)."""
    if orientation in TURNED_BY_A_QUARTER:
        rgb = rgb.transpose(1, 0, 2)
    flip_across = orientation in (2, 3, 6, 7)
    flip_down = orientation in (3, 4, 7, 8)
    return rgb[:: -1 if flip_down else 1, :: -1 if flip_across else 1]


def _sized(rgb: Picture, square: Square, resolution: tuple[int, int] | None) -> Picture:
    """Brought to a resolution; without one to square pixels, even in number."""
    height, width = rgb.shape[:2]
    even = (square.width - square.width % 2, square.height - square.height % 2)
    if resolution is None and (square.width, square.height) == (width, height):
        return rgb[: even[1], : even[0]]
    if resolution == (width, height):
        return rgb
    from PIL import Image

    scaled = Image.fromarray(rgb).resize(resolution or even, Image.Resampling.LANCZOS)
    return np.asarray(scaled)
