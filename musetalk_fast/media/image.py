"""A still picture: checked, upright, flat, of the size the video will have."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musetalk_fast.errors import ImageFormatError, ImageSizeError, InputError, UsageError
from musetalk_fast.media.colour import parse_colour
from musetalk_fast.media.headers import read_header
from musetalk_fast.media.input_file import open_input, read_errors
from musetalk_fast.media.pixels import Pixels, decode, flatten
from musetalk_fast.types import Picture

MIN_SIDE, MAX_SIDE = 64, 8192
"""Pixels; the larger one is also the most an encoder takes."""

MAX_BYTES = 1 << 28
"""Of the file: as many as 8192 x 8192 pixels of four bytes."""

_STRETCH = 1.02
"""A larger change of the proportions shows in a face."""


@dataclass(frozen=True, slots=True)
class Asset:
    """Bytes to upload and the name they go by."""

    data: bytes
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
    """Read a PNG, JPEG, WebP, BMP or TIFF.

    Colours count as sRGB. The EXIF orientation is applied, transparency laid over `background`,
    16 bits are rounded to 8. A PNG of 8-bit RGB keeps its exact pixels.

    Args:
        background: colour under transparent parts: a CSS name or `#RRGGBB`.
        resolution: (width, height) to scale to, exactly, whatever the picture's proportions; None
            keeps its size, less the last column or row where that is odd.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.ImageFormatError: no picture, or a damaged one.
        errors.ImageSizeError: a side outside 64..8192 pixels, or a file above 256 MiB.
        errors.UsageError: a background or resolution that makes no sense.
    """
    colour = parse_colour(background)
    _check_resolution(resolution)
    data = _read(path)
    try:
        pixels = _upright(data)
    except InputError as error:
        error.where = str(path)
        raise
    flat, was_transparent = flatten(pixels, colour)
    notes = _notes(flat, resolution, background if was_transparent else None)
    rgb = np.ascontiguousarray(_sized(flat, resolution))
    return Still(Path(path), rgb, hashlib.sha256(data).hexdigest(), notes)


def _notes(
    flat: Picture, resolution: tuple[int, int] | None, behind: str | None
) -> tuple[str, ...]:
    notes = []
    if behind is not None:
        notes.append(f"transparent parts were filled with {behind} (--background)")
    height, width = flat.shape[:2]
    across, down = resolution or (width, height)
    stretch = across * height / (down * width)
    if max(stretch, 1 / stretch) > _STRETCH:
        notes.append(
            f"the picture of {width}x{height} is stretched to {across}x{down} (--resolution): its "
            "proportions change"
        )
    return tuple(notes)


def _check_resolution(resolution: tuple[int, int] | None) -> None:
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


def _upright(data: bytes) -> Pixels:
    header = read_header(data)
    _check_size(header.width, header.height)
    return _turned(decode(data, header), header.orientation)


def _check_size(width: int, height: int) -> None:
    if width <= 0 or height <= 0:
        raise ImageFormatError(f"the picture's header claims {width}x{height} pixels")
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise ImageSizeError(
            f"{width}x{height} pixels are outside {MIN_SIDE}x{MIN_SIDE} to {MAX_SIDE}x{MAX_SIDE}"
        )


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Apply an EXIF orientation (1 to 8; Exif 2.32, section 4.6.4)."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    flip_across = orientation in (2, 3, 6, 7)
    flip_down = orientation in (3, 4, 7, 8)
    return pixels[:: -1 if flip_down else 1, :: -1 if flip_across else 1]


def _sized(rgb: Picture, resolution: tuple[int, int] | None) -> Picture:
    height, width = rgb.shape[:2]
    if resolution is None:
        return rgb[: height - height % 2, : width - width % 2]
    if resolution == (width, height):
        return rgb
    return _scaled(rgb, *resolution)


def _scaled(rgb: Picture, width: int, height: int) -> Picture:
    """Lanczos, each channel as a grey picture: FFmpeg scales RGB by way of YUV, which is lossy."""
    import av

    out = np.empty((height, width, 3), np.uint8)
    for channel in range(3):
        plane = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb[..., channel]), format="gray")
        scaled = plane.reformat(width=width, height=height, interpolation="LANCZOS")
        out[..., channel] = scaled.to_ndarray()
    return out
