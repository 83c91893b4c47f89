"""A still picture: checked, upright, flat, of the size the video will have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import ImageSizeError, InputError, UsageError
from musetalk_fast.media.input_file import open_input, read_errors
from musetalk_fast.media.picture.colours import parse_colour
from musetalk_fast.media.picture.exif import TURNED_BY_A_QUARTER, orientation
from musetalk_fast.media.picture.flatten import Flat, flatten
from musetalk_fast.media.picture.formats import open_picture
from musetalk_fast.media.picture.interface import MAX_SIDE, MIN_SIDE, PictureFile
from musetalk_fast.media.picture.proportions import NOTICEABLE, Square, square_pixels
from musetalk_fast.media.picture.transparency import (
    TRANSPARENT,
    Alpha,
    cover,
    extended,
    over,
    resized,
)
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
        rgb: (height, width, 3) uint8 RGB, contiguous: upright, even in size.
        sha256: of the original file.
        notes: sentences for the user.
        alpha: (height, width) uint8 of a picture whose transparent parts were kept: 0 is
            transparent, 255 opaque. The colours are not multiplied by it, and go on where it is 0.
            None: opaque.
    """

    path: Path
    rgb: Picture
    sha256: str
    notes: tuple[str, ...]
    alpha: Alpha | None = None

    @property
    def width(self) -> int:
        """Pixels across; even."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Pixels down; even."""
        return int(self.rgb.shape[0])

    def png(self) -> Asset:
        """The colours as a lossless PNG, for the server.

        It gets no alpha: over any background, what it makes of soft edges would show it.
        """
        from musetalk_fast.kernels.png import encode_png

        data = encode_png(self.rgb, level=1)  # of 1920x1080: 120 ms, not 200, and 9 % longer
        return Asset(data, hashlib.sha256(data).hexdigest())


Background: TypeAlias = str | Still
"""What is behind transparent parts: a colour, as CSS writes it, or a picture; or `TRANSPARENT`."""


def load_still(path: Path, *, background: Background, resolution: tuple[int, int] | None) -> Still:
    """Read a PNG, JPEG, WebP, BMP, TIFF, AVIF or GIF; a HEIC where pillow-heif is installed.

    Colours are brought to sRGB by the picture's profile; without one they count as sRGB. The EXIF
    orientation is applied, transparency kept or laid over `background`, 16 bits are rounded to 8;
    pixels that are not square become square. A PNG of 8-bit RGB without a profile keeps its exact
    pixels.

    Args:
        background: a picture is scaled to cover the size, and loses what is beyond it.
        resolution: (width, height) to scale to, exactly, whatever the picture's proportions; None
            keeps its size in square pixels, less the last column or row where that is odd.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.ImageFormatError: no picture, or a damaged one.
        errors.ImageSizeError: a side outside 64..8192 pixels, or a file above 256 MiB.
        errors.UsageError: a background or resolution that makes no sense.
    """
    if background != TRANSPARENT and isinstance(background, str):
        parse_colour(background)
    check_resolution(resolution)
    data = _read(path)
    try:
        picture = open_picture(data)
        turn = orientation(picture.exif)
        square = _square(picture, turn)
        flat = flatten(picture)
    except InputError as error:
        error.where = str(path)
        raise
    alpha = None if flat.alpha is None else _turned(flat.alpha, turn)
    rgb, alpha = _sized(_turned(flat.rgb, turn), alpha, square, resolution)
    rgb, alpha, laid = _on_background(rgb, alpha, background)
    notes = (*_notes(picture, flat), *laid, *square.notes, *stretch_notes(square, resolution))
    return Still(Path(path), rgb, hashlib.sha256(data).hexdigest(), notes, alpha)


def _on_background(
    rgb: Picture, alpha: Alpha | None, background: Background
) -> tuple[Picture, Alpha | None, tuple[str, ...]]:
    """The picture, its alpha if that is kept, and what there is to say of it."""
    if alpha is None or alpha.min() == 255:
        return np.ascontiguousarray(rgb), None, tuple(_unseen(background))
    if isinstance(background, Still):
        height, width = alpha.shape
        behind, name = cover(background.rgb, width, height), background.path.name
        notes = _filled(f"{name}, scaled to cover {width}x{height}"), *background.notes
        return over(rgb, alpha, behind), None, notes
    if background == TRANSPARENT:
        return np.ascontiguousarray(extended(rgb, alpha)), np.ascontiguousarray(alpha), ()
    return over(rgb, alpha, parse_colour(background)), None, (_filled(background),)


def _unseen(background: Background) -> Iterator[str]:
    if isinstance(background, Still):
        yield f"nothing of the picture is transparent: {background.path.name} is not seen"


def _filled(name: str) -> str:
    return f"transparent parts were filled with {name} (--background)"


def _square(picture: PictureFile, turn: int) -> Square:
    """The size of a picture with square pixels, turned upright."""
    width, height = picture.size
    if turn in TURNED_BY_A_QUARTER:
        return square_pixels(height, width, 1 / picture.aspect)
    return square_pixels(width, height, picture.aspect)


def _notes(picture: PictureFile, flat: Flat) -> Iterator[str]:
    if picture.has_others:
        yield "the file holds several pictures: the one that it opens with is used"
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


def _turned(samples: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation (1 to 8; Exif 2.32, section 4.6.4)."""
    if orientation in TURNED_BY_A_QUARTER:
        samples = samples.swapaxes(0, 1)
    flip_across = orientation in (2, 3, 6, 7)
    flip_down = orientation in (3, 4, 7, 8)
    return samples[:: -1 if flip_down else 1, :: -1 if flip_across else 1]


def _sized(
    rgb: Picture, alpha: Alpha | None, square: Square, resolution: tuple[int, int] | None
) -> tuple[Picture, Alpha | None]:
    """Brought to a resolution; without one to square pixels, even in number."""
    height, width = rgb.shape[:2]
    even = (square.width - square.width % 2, square.height - square.height % 2)
    if resolution is None and (square.width, square.height) == (width, height):
        rows, columns = slice(even[1]), slice(even[0])
        return rgb[rows, columns], None if alpha is None else alpha[rows, columns]
    if resolution == (width, height):
        return rgb, alpha
    return resized(rgb, alpha, resolution or even)
