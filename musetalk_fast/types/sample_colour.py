"""Colour tags: what a video's samples mean."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BT709",
    "MAX_MASTERING",
    "ColourTags",
    "Mastering",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourTags:
    """What the samples of a video mean, in FFmpeg's numbers: those of ITU-T H.273.

    Attributes:
        matrix: how R'G'B' became Y'CbCr.
        range: 1: limited, 2: full, as in FFmpeg's `AVColorRange`.
        primaries: of the red, green and blue meant.
        transfer: from light to R'G'B'.
    """

    matrix: int
    range: int
    primaries: int
    transfer: int


BT709 = ColourTags(matrix=1, range=1, primaries=1, transfer=1)
"""BT.709 in limited range: what a still is brought to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mastering:
    """For which display HDR was made, and how bright it gets (SMPTE ST 2086, CTA-861.3).

    0 stands for what is not known.

    Attributes:
        red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y: chromaticities of the
            display, in parts of 50,000.
        brightest, darkest: of the display, in 1/10,000 cd/m2.
        brightest_pixel, brightest_frame: of the content, in cd/m2, the latter on average over the
            frame.
    """

    red_x: int
    red_y: int
    green_x: int
    green_y: int
    blue_x: int
    blue_y: int
    white_x: int
    white_y: int
    brightest: int
    darkest: int
    brightest_pixel: int
    brightest_frame: int


MAX_MASTERING = 100_000_000
"""Of any of these numbers: 10,000 cd/m2."""
