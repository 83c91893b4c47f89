"""How the colours of HDR video become those of BT.709: the curve, in floating point.

1. Y'CbCr to R'G'B' by the tags' matrix and range; what leaves 0..1 is clipped.
2. To the light of a display, white being 203 cd/m2 (ITU-R BT.2408): by PQ, or by HLG with the
   system gamma 1.2 of a display of 1000 cd/m2 (ITU-R BT.2100).
3. To the primaries of BT.709, linearly.
4. The brightest of red, green and blue goes through the EETF of ITU-R BT.2390 (5.4.1: a Hermite
   spline over PQ, straight below its knee) from the source's peak to white, black staying black;
   all three are scaled by what that does to it, so that hue stays.
5. What is below 0, beyond BT.709's gamut, is clipped; to R'G'B' by the inverse of ITU-R BT.1886,
   the power 1/2.4; to Y'CbCr of BT.709, limited range.

BT.2020 without HDR has no step 4, and BT.1886's curve in step 2. Backwards, from R'G'B' to the
source's codes, there is one step for each, and nothing brighter than the peak.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.yuv_matrix import LUMA_WEIGHTS
from musetalk_fast.media.picture.colour_space import SRGB, ColourSpace, Floats, of_code_points
from musetalk_fast.types import ColourTags, Mastering

PQ, HLG = 16, 18
WHITE = 203.0
"""cd/m2: the light of SDR's white."""

HLG_PEAK = 1000.0
PEAKS = (WHITE, 10_000.0)
"""cd/m2: what a source's brightest may be."""

_GAMMA = 2.4
_WEIGHTS = {
    1: LUMA_WEIGHTS["bt709"],
    5: LUMA_WEIGHTS["bt601"],
    6: LUMA_WEIGHTS["bt601"],
    9: LUMA_WEIGHTS["bt2020"],
}
"""Of red, green and blue in luma, by matrix (ITU-T H.273, table 4)."""


@dataclass(frozen=True, slots=True)
class ToneCurve:
    """The mapping of one kind of source.

    Attributes:
        tags: of the source: a matrix of `_WEIGHTS`, primaries and transfer that
            `colour_space.of_code_points` knows.
        peak: cd/m2 of the brightest that it shows, of `PEAKS`.
        mastering: what the source says of its display; does not decide anything here.
    """

    tags: ColourTags
    peak: float
    mastering: Mastering | None = field(default=None, compare=False)

    def __call__(self, y: Floats, cb: Floats, cr: Floats) -> Floats:
        """Codes of 10 bits -> (..., 3) Y'CbCr of BT.709 in levels of 8 bits, not rounded."""
        return _levels(self.rgb(y, cb, cr))

    def rgb(self, y: Floats, cb: Floats, cr: Floats) -> Floats:
        """Codes of 10 bits -> (..., 3) R'G'B' of BT.709, 0 to 1."""
        light = self._light(np.clip(self._components(y, cb, cr), 0, 1))
        light = light @ self._to_bt709().T.astype(light.dtype)
        if is_hdr(self.tags):
            brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
            light = light * (eetf(brightest, self.peak) / brightest)
        shown: Floats = np.clip(light, 0, 1) ** (1 / _GAMMA)
        return shown

    def levels(self, codes: NDArray[np.float64]) -> NDArray[np.float64]:
        """(3, n) codes of 10 bits -> (3, n) R'G'B' of BT.709 in levels of 8 bits, not rounded."""
        return np.asarray(255 * self.rgb(*codes).T, np.float64)

    def codes(self, rgb: Floats) -> Floats:
        """(..., 3) R'G'B' of BT.709, 0 to 1 -> (..., 3) Y'CbCr of the source in codes of 10 bits.

        What `rgb` gives again, but for rounding; beyond BT.2390's knee steeply.
        """
        light = rgb**_GAMMA
        if is_hdr(self.tags):
            brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-12)
            light = light * (_before_eetf(brightest, self.peak) / brightest)
        light = np.maximum(light @ np.linalg.inv(self._to_bt709()).T, 0)
        low, luma, chroma = self._spans
        red, green, blue = _WEIGHTS[self.tags.matrix]
        shown = np.clip(self._signal(light), 0, 1)
        y = shown @ np.array([red, green, blue])
        cb, cr = (shown[..., 2] - y) / (2 * (1 - blue)), (shown[..., 0] - y) / (2 * (1 - red))
        return np.stack([low + luma * y, 512 + chroma * cb, 512 + chroma * cr], axis=-1)

    @property
    def _spans(self) -> tuple[int, int, int]:
        """Code of black; codes from there to white; codes of all chroma."""
        return (0, 1023, 1023) if self.tags.range == 2 else (64, 876, 896)

    def _components(self, y: Floats, cb: Floats, cr: Floats) -> Floats:
        """R'G'B' of codes."""
        low, luma, chroma = self._spans
        y, cb, cr = (y - low) / luma, (cb - 512) / chroma, (cr - 512) / chroma
        red, green, blue = _WEIGHTS[self.tags.matrix]
        r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
        return np.stack([r, (y - red * r - blue * b) / green, b], axis=-1)

    def _light(self, shown: Floats) -> Floats:
        if not is_hdr(self.tags):
            bright: Floats = shown**_GAMMA
            return bright
        space = self._space()
        light = space.curve(shown)
        if space.system_gamma != 1:
            luminance = light @ space.to_xyz[1].astype(light.dtype)
            factor = np.maximum(luminance, 1e-9) ** (space.system_gamma - 1)
            light = light * factor[..., None]
        return light

    def _signal(self, light: Floats) -> Floats:
        """The inverse of `_light`."""
        if self.tags.transfer == PQ:
            return _pq(light * WHITE)
        if self.tags.transfer != HLG:
            bright: Floats = light ** (1 / _GAMMA)
            return bright
        space = self._space()
        luminance = np.maximum(light @ space.to_xyz[1], 1e-12)[..., None]
        return _hlg_signal(light * luminance ** (1 / space.system_gamma - 1), space.system_gamma)

    def _to_bt709(self) -> Floats:
        matrix: Floats = np.linalg.solve(SRGB.to_xyz, self._space().to_xyz)
        return matrix

    def _space(self) -> ColourSpace:
        space = of_code_points(self.tags.primaries, self.tags.transfer)
        assert space is not None
        return space


def is_mappable(tags: ColourTags) -> bool:
    """Whether there is a curve for such tags."""
    return tags.matrix in _WEIGHTS and of_code_points(tags.primaries, tags.transfer) is not None


def is_hdr(tags: ColourTags) -> bool:
    """Whether such samples are never of 8 bits."""
    return tags.transfer in (PQ, HLG)


def eetf(light: Floats, peak: float) -> Floats:
    """Light, 1 being white, of a source with this peak in cd/m2 -> light up to white (BT.2390)."""
    if peak <= WHITE:
        return np.minimum(light, 1)
    whole, white = _pq(np.array([peak, WHITE])).tolist()
    top = white / whole
    knee = 1.5 * top - 0.5
    code = np.minimum(_pq(light * WHITE) / whole, 1)
    t = np.maximum(code - knee, 0) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * top
    )
    mapped: Floats = _pq_light(np.where(code < knee, code, spline) * whole) / WHITE
    return mapped


def _before_eetf(light: Floats, peak: float) -> Floats:
    """The inverse of `eetf`."""
    if peak <= WHITE:
        return light
    steps = _pq_light(np.linspace(0, 1, 4097) * _pq(np.array(peak))) / WHITE
    before: Floats = np.interp(light, eetf(steps, peak), steps)
    return before


def _hlg_signal(light: Floats, system_gamma: float) -> Floats:
    """The signal of a scene's light, scaled so that white is 203 of 1000 cd/m2 (BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = light * (WHITE / HLG_PEAK) ** (1 / system_gamma)
    bright = a * np.log(np.maximum(12 * scene - b, 1e-3)) + c
    signal: Floats = np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)
    return signal


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
"""SMPTE ST 2084."""


def _pq(light: Floats) -> Floats:
    """Code value of light in cd/m2."""
    root = (np.maximum(light, 0) / 10_000) ** _M1
    code: Floats = ((_C1 + _C2 * root) / (1 + _C3 * root)) ** _M2
    return code


def _pq_light(code: Floats) -> Floats:
    root = code ** (1 / _M2)
    light: Floats = 10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)
    return light


def _levels(shown: Floats) -> Floats:
    red, green, blue = LUMA_WEIGHTS["bt709"]
    luma = shown @ np.array([red, green, blue], shown.dtype)
    cb = (shown[..., 2] - luma) / (2 * (1 - blue))
    cr = (shown[..., 0] - luma) / (2 * (1 - red))
    return np.stack([16 + 219 * luma, 128 + 224 * cb, 128 + 224 * cr], axis=-1)
