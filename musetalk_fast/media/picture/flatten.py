"""A picture's samples become sRGB and alpha, a few rows at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.picture.colour_conversion import (
    Conversion,
    SpaceToSrgb,
    between_levels,
    changes_nothing,
)
from musetalk_fast.media.picture.colour_space import ADOBE_RGB, ColourSpace, ProfileError
from musetalk_fast.media.picture.colours import ToSrgb
from musetalk_fast.media.picture.exif import is_adobe_rgb
from musetalk_fast.media.picture.picture_file import PictureFile, Samples, eight_bits
from musetalk_fast.media.picture.transparency import Alpha
from musetalk_fast.types import Picture

_BAND_ROWS = 64
"""At a time, as intermediate values are wider than the pixels."""
_INKS = 4
"""Samples of a pixel of CMYK."""


class Flat(NamedTuple):
    """What a picture became.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB, as stored: not yet turned upright.
        alpha: (H, W) uint8, 255 is opaque; None if all is. Colours are not multiplied by it.
        lost_profile: it has a colour profile that cannot be used.
        guessed_inks: it has inks, and no profile that says what they look like.
    """

    rgb: Picture
    alpha: Alpha | None
    lost_profile: bool
    guessed_inks: bool


def flatten(picture: PictureFile) -> Flat:
    """Decode a picture and bring it to sRGB by its profile.

    Without a profile, and with one that cannot be used, colours count as sRGB; those of a camera
    that was set to Adobe RGB as that.

    Raises:
        errors.ImageFormatError: damaged or cut.
    """
    picture.load()
    width, height = picture.size
    out = np.empty((height, width, 3), np.uint8)
    whole: Alpha | None = None
    count = picture.band(slice(0, 1)).colours.shape[2]
    convert, lost = _conversion(picture, count)
    for top in range(0, height, _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        samples, alpha = picture.band(rows)
        colours = eight_bits(samples) if convert is None else convert(samples)
        if alpha is not None and alpha.min() < 255:
            whole = np.full((height, width), 255, np.uint8) if whole is None else whole
            whole[rows] = alpha
        out[rows] = colours
    return Flat(out, whole, lost, guessed_inks=convert is _without_black)


def _conversion(picture: PictureFile, count: int) -> tuple[Conversion | None, bool]:
    """What brings the picture to sRGB, if anything does; whether its profile is lost."""
    without = _without_black if count == _INKS else None
    profile = picture.profile
    if profile is None and is_adobe_rgb(picture.exif):
        profile = ADOBE_RGB
    if profile is None:
        return without, False
    try:
        found = _by_profile(profile, count)
    except ProfileError:
        return without, True
    return None if count != _INKS and changes_nothing(found, count) else found, False


def _by_profile(profile: bytes | ColourSpace, count: int) -> Conversion:
    if isinstance(profile, bytes):
        by_table = ToSrgb(profile, count)
        return lambda samples: between_levels(by_table, samples)
    if count == _INKS:
        raise ProfileError("it is about RGB")
    return SpaceToSrgb(profile)


def _without_black(cmyk: NDArray[Any]) -> Samples:
    """CMYK without a profile -> RGB."""
    from PIL import Image

    return np.asarray(Image.fromarray(eight_bits(cmyk), "CMYK").convert("RGB"))
