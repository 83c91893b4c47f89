"""Colours: as users write them, and as a picture's profile means them."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from musetalk_fast.errors import UsageError
from musetalk_fast.media.picture.interface import Samples

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsProfile, ImageCmsTransform

_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_SPACES = {1: ("GRAY", "RGB"), 3: ("RGB",), 4: ("CMYK",)}
"""What a profile may be about, by the samples of a pixel."""
_PROBE_STEP = 15
"""Between the levels of a probe: 0, 15, ... 255."""


class ProfileError(ValueError):
    """A colour profile that cannot be used."""


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
        ProfileError: damaged, or about another kind of colours.
    """

    def __init__(self, profile: bytes, count: int) -> None:
        from PIL import ImageCms

        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = given.profile.xcolor_space.strip()
        except (OSError, ValueError, TypeError) as error:
            raise ProfileError(str(error)) from error
        if space not in _SPACES[count]:
            raise ProfileError(f"it is about {space}")
        self._repeat = 3 if count == 1 and space == "RGB" else 1
        self._mode = _MODES[count * self._repeat]
        self._transform = _transform(given, self._mode)
        self.changes_nothing = count != 4 and self._is_close()

    def __call__(self, samples: Samples) -> Samples:
        """(H, W, n) of the profile's colours -> (H, W, 3) sRGB."""
        from PIL import Image

        wide = np.repeat(samples, self._repeat, axis=2)
        given = Image.fromarray(wide[..., 0] if wide.shape[2] == 1 else wide, self._mode)
        return np.asarray(self._transform.apply(given))

    def _is_close(self) -> bool:
        """Whether it is sRGB but for rounding, so that pixels can be kept as they are."""
        levels = np.arange(0, 256, _PROBE_STEP, dtype=np.uint8)
        if self._mode == "L":
            probe = levels.reshape(1, -1, 1)
        else:
            probe = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
        far = np.abs(self(probe[..., : 3 // self._repeat]).astype(int) - probe)
        return bool(far.max() <= 1)


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
