"""Colour spaces given by numbers instead of an ICC profile: primaries and transfer.

Code points: ITU-T H.273 (07/2024), tables 2 and 3. White is 203 cd/m2 in HDR (ITU-R BT.2408).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Curve = Callable[[Floats], Floats]
"""Code values, 0 to 1, -> light, 1 is white."""


class ProfileError(ValueError):
    """A colour profile, or numbers in its place, that cannot be used."""


class ColourSpace(NamedTuple):
    """A colour space of three primaries.

    Attributes:
        chromaticities: x and y of white, red, green and blue (CIE 1931).
        curve: of every component.
        system_gamma: of the light of the scene to that of a display (HLG); else 1.
        is_hdr: it holds what is brighter than white.
        is_narrow: code values run from 16 to 235 of 255.
    """

    chromaticities: tuple[float, ...]
    curve: Curve
    system_gamma: float = 1.0
    is_hdr: bool = False
    is_narrow: bool = False

    @property
    def to_xyz(self) -> Floats:
        """(3, 3): light of the primaries to CIE XYZ; its white has Y = 1.

        Raises:
            ProfileError: chromaticities that make no colours.
        """
        white, *primaries = np.reshape(self.chromaticities, (4, 2))
        if white[1] <= 0 or any(y <= 0 for _, y in primaries):
            raise ProfileError("a chromaticity without light")
        columns = np.transpose([_xyz(xy) for xy in primaries])
        try:
            strengths = np.linalg.solve(columns, _xyz(white))
        except np.linalg.LinAlgError as error:
            raise ProfileError("primaries on a line") from error
        if not (np.isfinite(strengths).all() and (strengths > 0).all()):
            raise ProfileError("white outside the primaries")
        matrix: Floats = columns * strengths
        return matrix


def _xyz(xy: Floats) -> Floats:
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


def srgb_light(code: Floats) -> Floats:
    """The curve of sRGB (IEC 61966-2-1)."""
    light: Floats = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return light


def power(exponent: float) -> Curve:
    """A curve of one exponent."""

    def curve(code: Floats) -> Floats:
        light: Floats = np.power(code, exponent)
        return light

    return curve


def _pq_light(code: Floats) -> Floats:
    """SMPTE ST 2084: up to 10,000 cd/m2."""
    low, c2, c3 = 3424 / 4096, 32 * 2413 / 4096, 32 * 2392 / 4096
    root = code ** (4096 / 128 / 2523)
    light: Floats = (np.maximum(root - low, 0) / (c2 - c3 * root)) ** (16384 / 2610) * 10_000 / 203
    return light


def _hlg_light(code: Floats) -> Floats:
    """ARIB STD-B67: the scene's light, scaled so that `_HLG_GAMMA` makes it a display's."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    light: Floats = scene * (1000 / 203) ** (1 / _HLG_GAMMA)
    return light


_HLG_GAMMA = 1.2
"""For a display of 1000 cd/m2 (ITU-R BT.2100)."""
_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_BT709 = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_SMPTE170M = (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)
_PRIMARIES = {
    1: _BT709,
    2: _BT709,
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: _SMPTE170M,
    7: _SMPTE170M,
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (*_DCI, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_PQ, _HLG = 16, 18
_VIDEO_CURVES = (1, 2, 6, 7, 11, 12, 14, 15)
"""Everybody shows a picture taken from video with the curve of sRGB."""
_CURVES = dict.fromkeys((*_VIDEO_CURVES, 13), srgb_light) | {
    4: power(2.2),
    5: power(2.8),
    8: power(1.0),
    _PQ: _pq_light,
    _HLG: _hlg_light,
}
_SRGB_GAMMA = (0.95 / 2.2, 1.05 / 2.2)
"""Sample exponents that stand for the curve of sRGB, as libpng has it."""

SRGB = ColourSpace(_BT709, srgb_light)
ADOBE_RGB = ColourSpace((*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06), power(563 / 256))


def of_code_points(primaries: int, transfer: int, *, is_narrow: bool = False) -> ColourSpace | None:
    """The colour space of H.273's numbers; None if they are not known here."""
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        return None
    return ColourSpace(
        _PRIMARIES[primaries],
        _CURVES[transfer],
        _HLG_GAMMA if transfer == _HLG else 1.0,
        is_hdr=transfer in (_PQ, _HLG),
        is_narrow=is_narrow,
    )


def of_gamma(exponent: float | None, chromaticities: tuple[float, ...] | None) -> ColourSpace:
    """The colour space of a PNG's gAMA and cHRM; what is None counts as sRGB's.

    Args:
        exponent: of the samples, by the light: 1/2.2 as a rule.
    """
    is_srgb = exponent is None or _SRGB_GAMMA[0] <= exponent <= _SRGB_GAMMA[1]
    curve = srgb_light if exponent is None or is_srgb else power(1 / exponent)
    return ColourSpace(chromaticities or _BT709, curve)
