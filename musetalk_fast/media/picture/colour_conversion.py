"""Samples of a colour space of three primaries become sRGB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.picture.colour_space import SRGB, ColourSpace, Floats
from musetalk_fast.media.picture.picture_file import Samples

_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""XYZ to the responses in which whites are adapted (ICC.1:2022, annex E)."""
_STEPS = 65_535
"""Of linear light: 20 for the darkest level of sRGB."""
_KNEE = 0.8
"""Light of white; what is brighter shares the rest with highlights, to infinity."""
_PROBE_STEP = 15
"""Between the levels of a probe: 0, 15, ... 255."""

Conversion = Callable[[NDArray[Any]], Samples]
"""(H, W, n) samples -> (H, W, 3) sRGB."""


def changes_nothing(convert: Conversion, count: int) -> bool:
    """Whether 8-bit samples are sRGB but for rounding, so that they can be kept as they are.

    Args:
        count: 1 or 3 samples of a pixel.
    """
    levels = np.arange(0, 256, _PROBE_STEP, dtype=np.uint8)
    probe = np.stack(np.meshgrid(*[levels] * count), axis=-1).reshape(1, -1, count)
    return bool(np.abs(convert(probe).astype(int) - probe).max() <= 1)


def between_levels(convert: Conversion, samples: NDArray[Any]) -> Samples:
    """Convert samples of 16 bits by a conversion of 8: by tetrahedra between its levels.

    Rounded before, linear light of 16 bits would lose its shadows.
    """
    if samples.dtype == np.uint8:
        return convert(samples)
    level, rest = np.divmod(samples, 257)
    corner, count = level.astype(np.uint8), samples.shape[2]
    order = np.argsort(-rest.astype(np.int32), axis=2)
    weights = np.take_along_axis(rest, order, axis=2).astype(np.int32)
    total = convert(corner) * (257 - weights[..., :1])
    for at in range(count):
        channel = order[..., at : at + 1]
        # Beyond 255 it wraps, where its weight is 0.
        np.put_along_axis(corner, channel, np.take_along_axis(corner, channel, 2) + np.uint8(1), 2)
        below = weights[..., at + 1 : at + 2] if at + 1 < count else 0
        total += convert(corner) * (weights[..., at : at + 1] - below)
    return ((total + 128) // 257).astype(np.uint8)


class SpaceToSrgb:
    """Brings samples of 8 or 16 bits to sRGB; colours beyond it become its nearest.

    Highlights of HDR are compressed, and keep their hue.

    Raises:
        ProfileError: chromaticities that make no colours.
    """

    def __init__(self, space: ColourSpace) -> None:
        self._space = space
        source, target = space.to_xyz, SRGB.to_xyz
        self._luminance = source[1].astype(np.float32)
        matrix = np.linalg.solve(target, _adaptation(source, target) @ source)
        self._matrix = matrix.T.astype(np.float32)
        self._light: dict[int, NDArray[np.float32]] = {}
        self._codes = _srgb_codes()

    def __call__(self, samples: NDArray[Any]) -> Samples:
        """(H, W, 1 or 3) uint8 or uint16 of the space -> (H, W, 3) sRGB."""
        light = self._curve(samples.dtype.itemsize)[samples]
        light = np.broadcast_to(light, (*samples.shape[:2], 3))
        if self._space.system_gamma != 1:
            luminance = (light @ self._luminance)[..., None]
            light = light * luminance ** np.float32(self._space.system_gamma - 1)
        light = light @ self._matrix
        if self._space.is_hdr:
            light = _rolled_off(light)
        steps = np.clip(light, 0, 1) * np.float32(_STEPS) + np.float32(0.5)
        codes: Samples = self._codes[steps.astype(np.uint16)]
        return codes

    def _curve(self, size: int) -> NDArray[np.float32]:
        if size not in self._light:
            code = np.linspace(0.0, 1.0, 256**size)
            if self._space.is_narrow:
                code = np.clip((code * 255 - 16) / 219, 0, 1)
            self._light[size] = self._space.curve(code).astype(np.float32)
        return self._light[size]


def _adaptation(source: Floats, target: Floats) -> Floats:
    """(3, 3): XYZ under one white to XYZ under another."""
    before, after = (_BRADFORD @ matrix.sum(axis=1) for matrix in (source, target))
    matrix: Floats = np.linalg.solve(_BRADFORD, np.diag(after / before) @ _BRADFORD)
    return matrix


def _srgb_codes() -> Samples:
    """The level of each step of light."""
    light = np.linspace(0.0, 1.0, _STEPS + 1)
    code = np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)
    codes: Samples = np.rint(code * 255).astype(np.uint8)
    return codes


def _rolled_off(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light above the knee approaches white as the knee's tangent leads there."""
    peak = light.max(axis=-1, keepdims=True)
    headroom = np.float32(1 - _KNEE)
    above = np.maximum(peak - np.float32(_KNEE), 0)
    wanted = np.float32(_KNEE) + headroom * -np.expm1(-above / headroom)
    scale: NDArray[np.float32] = np.where(above > 0, wanted / np.maximum(peak, _KNEE), 1)
    return light * scale.astype(np.float32)
