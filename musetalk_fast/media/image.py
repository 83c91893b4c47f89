"""A still picture: checked, upright, flat, of the size the video will have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import ImageSizeError, InputError
from musetalk_fast.media.frame_size import Geometry, Resolution, geometry_of, size_note
from musetalk_fast.media.input_file import open_input, read_errors
from musetalk_fast.media.picture.canvas import blurred, scaled, widened
from musetalk_fast.media.picture.colours import parse_colour
from musetalk_fast.media.picture.exif import TURNED_BY_A_QUARTER, orientation
from musetalk_fast.media.picture.flatten import Flat, flatten
from musetalk_fast.media.picture.formats import open_picture
from musetalk_fast.media.picture.picture_file import PictureFile
from musetalk_fast.media.picture.proportions import Square, square_pixels
from musetalk_fast.media.picture.transparency import (
    BLUR,
    TRANSPARENT,
    WHITE,
    Alpha,
    cover,
    extended,
    over,
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
        size_note: a sentence for the user: what was scaled, cut or added.
    """

    path: Path
    rgb: Picture
    sha256: str
    notes: tuple[str, ...]
    alpha: Alpha | None = None
    size_note: str | None = None

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


Background: TypeAlias = str | Still | None
"""What is behind transparent parts and in bars: a colour, as CSS writes it, or a picture; or
`BLUR`, or `TRANSPARENT`; None: transparent if the picture has transparent parts, else white."""


def load_still(path: Path, *, background: Background, resolution: Resolution | None) -> Still:
    """Read a PNG, JPEG, WebP, BMP, TIFF, AVIF or GIF; a HEIC where pillow-heif is installed.

    Colours are brought to sRGB by the picture's profile; without one they count as sRGB. The EXIF
    orientation is applied, transparency kept or laid over `background`, 16 bits are rounded to 8;
    pixels that are not square become square. A PNG of 8-bit RGB without a profile keeps its exact
    pixels.

    Args:
        background: a picture is scaled to cover the size, and loses what is beyond it.
        resolution: the size to reach; None keeps its size in square pixels, less the last column or
            row where that is odd.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.ImageFormatError: no picture, or a damaged one.
        errors.ImageSizeError: a side outside 64..8192 pixels, or a file above 256 MiB.
        errors.UsageError: a background or resolution that makes no sense.
    """
    if isinstance(background, str) and background not in (BLUR, TRANSPARENT):
        parse_colour(background)
    wanted, data = resolution or Resolution(), _read(path)
    try:
        picture = open_picture(data)
        turn = orientation(picture.exif)
        square = _square(picture, turn)
        geometry = geometry_of((square.width, square.height), wanted)
        flat = flatten(picture)
    except InputError as error:
        error.where = str(path)
        raise
    alpha = None if flat.alpha is None else _turned(flat.alpha, turn)
    if background is None:
        background = WHITE if alpha is None else TRANSPARENT
    rgb, alpha = scaled(_turned(flat.rgb, turn), alpha, geometry)
    if geometry.has_bars:
        rgb, alpha = widened(rgb, alpha, geometry)
    rgb, alpha = _on_background(rgb, alpha, background, geometry)
    is_opaque, has_bars = flat.alpha is None, geometry.has_bars
    laid = laid_notes(background, geometry.size, is_opaque=is_opaque, has_bars=has_bars)
    notes = (*_notes(picture, flat), *laid, *square.notes)
    sha256 = hashlib.sha256(data).hexdigest()
    return Still(Path(path), rgb, sha256, notes, alpha, size_note(geometry, wanted))


def _on_background(
    rgb: Picture, alpha: Alpha | None, background: str | Still, geometry: Geometry
) -> tuple[Picture, Alpha | None]:
    """The frame, contiguous, and its alpha if that is kept."""
    if alpha is None or alpha.min() == 255:
        return np.ascontiguousarray(rgb), None
    if background == TRANSPARENT:
        return np.ascontiguousarray(extended(rgb, alpha)), np.ascontiguousarray(alpha)
    width, height = geometry.size
    if isinstance(background, Still):
        return over(rgb, alpha, cover(background.rgb, width, height)), None
    if background != BLUR:
        return over(rgb, alpha, parse_colour(background)), None
    x, y, across, down = geometry.shown
    shown = slice(y, y + down), slice(x, x + across)
    return over(rgb, alpha, blurred(extended(rgb[shown], alpha[shown]), width, height)), None


def laid_notes(
    background: Background,
    size: tuple[int, int],
    *,
    is_opaque: bool,
    has_bars: bool,
    what: str = "picture",
) -> Iterator[str]:
    """What there is to say of what is behind an avatar of a size.

    Args:
        what: the avatar is, in a word.
    """
    if not isinstance(background, Still):
        if not is_opaque and background not in (None, TRANSPARENT):
            yield _filled("a blurred copy" if background == BLUR else background)
        return
    name, (width, height) = background.path.name, size
    if is_opaque and not has_bars:
        yield f"nothing of the {what} is transparent: {name} is not seen"
        return
    if not is_opaque:
        yield _filled(f"{name}, scaled to cover {width}x{height}")
    yield from background.notes


def _filled(name: str | None) -> str:
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
