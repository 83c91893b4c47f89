"""Colours as users write them, converted through a picture's profile."""

from __future__ import annotations

import io
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from musetalk_fast.errors import UsageError
from musetalk_fast.media.picture.colour_space import ProfileError
from musetalk_fast.media.picture.picture_file import Samples

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageCms import ImageCmsProfile, ImageCmsTransform

_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_SPACES = {1: ("GRAY", "RGB"), 3: ("RGB",), 4: ("CMYK",)}
"""What a profile may be about, by the samples of a pixel."""
MAX_PROFILE = 1 << 24
"""Bytes of a profile; those of printers have about three million."""


def parse_colour(text: str) -> tuple[int, int, int]:
    """A CSS colour (a name, `#RRGGBB`, `#RGB`, `rgb()`, `hsl()`) -> (red, green, blue), 0..255.

    Raises:
        errors.UsageError: none of these, or one with transparency.
    """
    from PIL import ImageColor

    found: tuple[int, ...] = ()
    with suppress(ValueError):
        found = ImageColor.getrgb(text.strip())
    if len(found) == 3 and all(0 <= value <= 255 for value in found):
        return found[0], found[1], found[2]
    raise UsageError(
        f"{text[:40]!r} is not a colour", hint="use #RRGGBB or a CSS name, such as white or teal"
    )


class ToSrgb:
    """Brings samples to sRGB, relative to the white point and the black point.

    Args:
        profile: an ICC profile.
        count: samples of a pixel.

    Raises:
        ProfileError: damaged, too large, or about another kind of colours.
    """

    def __init__(self, profile: bytes, count: int) -> None:
        from PIL import ImageCms

        if len(profile) > MAX_PROFILE:
            raise ProfileError(f"it is larger than {MAX_PROFILE >> 20} MiB")
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(_without_chains(profile)))
            space = given.profile.xcolor_space.strip()
        except (OSError, ValueError, TypeError) as error:
            raise ProfileError(str(error)) from error
        if space not in _SPACES[count]:
            raise ProfileError(f"it is about {space}")
        self._repeat = 3 if count == 1 and space == "RGB" else 1
        self._mode = _MODES[count * self._repeat]
        self._transform = _transform(given, self._mode)

    def __call__(self, samples: Samples) -> Samples:
        """(H, W, n) of the profile's colours -> (H, W, 3) sRGB."""
        from PIL import Image

        wide = np.repeat(samples, self._repeat, axis=2)
        given = Image.fromarray(wide[..., 0] if wide.shape[2] == 1 else wide, self._mode)
        return np.asarray(self._transform.apply(given))


def _without_chains(profile: bytes) -> bytes:
    """A profile without its chains of floating-point steps (D2B0 to D2B3, ICC.1:2022, 9.2.17).

    Without a bound, thousands of steps in a few bytes keep a transform busy for minutes; what is
    optional says the same as the tables that a profile must have.
    """
    count = int.from_bytes(profile[128:132], "big")
    chained = bytearray(profile)
    for at in range(132, min(132 + 12 * count, len(profile)), 12):
        if profile.startswith(b"D2B", at):
            chained[at : at + 3] = b"no "
    return bytes(chained)


def lab_to_srgb(picture: Image.Image) -> Image.Image:
    """CIE L*a*b* of 8 bits, under D50 -> RGB."""
    return _of_lab().apply(picture)


@cache
def _of_lab() -> ImageCmsTransform:
    from PIL import ImageCms

    return _transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")


def _transform(given: ImageCmsProfile, mode: str) -> ImageCmsTransform:
    from PIL import ImageCms

    try:
        return ImageCms.ImageCmsTransform(
            given,
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (OSError, ValueError, ImageCms.PyCMSError) as error:
        raise ProfileError(str(error)) from error
