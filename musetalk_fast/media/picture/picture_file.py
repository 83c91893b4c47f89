"""The interface of a picture file."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import ImageFormatError, ImageSizeError, MuseTalkError
from musetalk_fast.media.picture.colour_space import ColourSpace

MIN_SIDE, MAX_SIDE = 64, 8192
"""Pixels; the larger one is also the most an encoder takes."""

_FILTERS = threading.Lock()

Samples = NDArray[np.uint8]
"""(H, W, n) uint8: n is 1 for grey, 3 for RGB, 4 for CMYK (255 is full ink)."""


class Band(NamedTuple):
    """Rows of a picture: its colours, and 255 where it is opaque; None: everywhere.

    Attributes:
        colours: `Samples`, or as many of 16 bits: (H, W, n) uint16.
    """

    colours: NDArray[Any]
    alpha: NDArray[np.uint8] | None


class PictureFile(Protocol):
    """A picture, not yet decoded."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, as stored: not yet turned upright."""

    @property
    def exif(self) -> bytes:
        """The Exif block; empty where the decoder applies the orientation."""

    @property
    def profile(self) -> bytes | ColourSpace | None:
        """What its colours mean: an ICC profile, or numbers in its place.

        None if the file does not say it, and so for sRGB; empty if what it says cannot be used.
        """

    @property
    def aspect(self) -> float:
        """Width of a pixel by its height, as decoded: above 1 they are wide."""

    @property
    def has_others(self) -> bool:
        """Whether the file holds more pictures, which a person may have meant."""

    def load(self) -> None:
        """Decode it all.

        Raises:
            errors.ImageFormatError: damaged or cut.
        """

    def band(self, rows: slice) -> Band:
        """Rows of what was decoded."""


def eight_bits(samples: NDArray[Any]) -> Samples:
    """Samples of 16 bits rounded to 8; those of 8 as they are."""
    if samples.dtype == np.uint8:
        return samples
    rounded: Samples = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return rounded


def check_size(width: int, height: int) -> None:
    """Refuse a picture by its header, before anything is allocated for it.

    Raises:
        errors.ImageFormatError: it has no pixels.
        errors.ImageSizeError: a side outside 64..8192 pixels.
    """
    if width <= 0 or height <= 0:
        raise ImageFormatError(f"the picture's header claims {width}x{height} pixels")
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise ImageSizeError(
            f"{width}x{height} pixels are outside {MIN_SIDE}x{MIN_SIDE} to {MAX_SIDE}x{MAX_SIDE}"
        )


def moving() -> ImageFormatError:
    """The refusal of what has several frames."""
    return ImageFormatError(
        "this is a video or an animation, which are not supported yet: give a still picture",
        hint="give one of its frames as a PNG or JPEG",
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what Pillow warns of: a line for each damaged tag that it passes over.

    Filters belong to the process, so one thread at a time changes them.
    """
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def broken(name: str) -> Iterator[None]:
    """Say what a decoder says of a damaged file; it may raise anything."""
    try:
        yield
    except (MuseTalkError, MemoryError):
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ImageFormatError(f"broken {name}: {reason[:200]}") from error
