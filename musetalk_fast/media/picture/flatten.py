"""A picture's samples become opaque sRGB, a few rows at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.picture.colours import ProfileError, ToSrgb
from musetalk_fast.media.picture.interface import PictureFile, Samples
from musetalk_fast.types import Picture

_BAND_ROWS = 64
"""At a time, as intermediate values are wider than the pixels."""


class Flat(NamedTuple):
    """What a picture became.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB, as stored: not yet turned upright.
        was_transparent: anywhere.
        lost_profile: it has a colour profile that cannot be used.
    """

    rgb: Picture
    was_transparent: bool
    lost_profile: bool


def flatten(picture: PictureFile, background: tuple[int, int, int]) -> Flat:
    """Decode a picture, bring it to sRGB by its profile, and lay it over a background.

    Without a profile, and with one that cannot be used, colours count as sRGB.

    Raises:
        errors.ImageFormatError: damaged or cut.
    """
    picture.load()
    width, height = picture.size
    out = np.empty((height, width, 3), np.uint8)
    was_transparent = False
    convert, lost = _conversion(picture)
    for top in range(0, height, _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        colours, alpha = picture.band(rows)
        if convert is not None:
            colours = convert(colours)
        elif colours.shape[2] == 4:
            colours = _without_black(colours)
        if alpha is not None and alpha.min() < 255:
            was_transparent = True
            colours = _over(colours, alpha, background)
        out[rows] = colours
    return Flat(out, was_transparent, lost)


def _conversion(picture: PictureFile) -> tuple[ToSrgb | None, bool]:
    """What brings the picture to sRGB, if anything does; whether its profile is lost."""
    if picture.profile is None:
        return None, False
    try:
        found = ToSrgb(picture.profile, picture.band(slice(0, 1)).colours.shape[2])
    except ProfileError:
        return None, True
    return None if found.changes_nothing else found, False


def _without_black(cmyk: Samples) -> Samples:
    """CMYK without a profile -> RGB."""
    from PIL import Image

    return np.asarray(Image.fromarray(cmyk, "CMYK").convert("RGB"))


def _over(colours: Samples, alpha: NDArray[np.uint8], background: tuple[int, int, int]) -> Samples:
    weight = alpha[..., None].astype(np.uint16)
    # At most 255 x 255 + 127, which 16 bits hold.
    mixed = colours * weight + (255 - weight) * np.array(background, np.uint16)
    laid: Samples = ((mixed + np.uint16(127)) // np.uint16(255)).astype(np.uint8)
    return laid
