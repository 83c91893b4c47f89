"""Light and sharpness of a photo, matched by whatever is drawn into it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.media.face.anatomy import SKIN, Points
from musetalk_fast.types import CROP_SIZE, Crop

Colour = NDArray[np.float32]
"""(3,) float32 RGB."""

_LUMA = np.array((0.2126, 0.7152, 0.0722), np.float32)
"""BT.709."""
_USUAL_SKIN = np.array((1.25, 0.95, 0.80), np.float32)
"""Of its luma: skin in white light, the mean of portraits."""
_TRUST = 0.75
"""Of a skin's difference from the usual one: the light's share, the rest is the person's own."""
_WHITE = 0.98
"""The share of the crop's pixels that are darker than what is white in it. On portraits that show
teeth this is how bright they are."""
_WHITE_TO_SKIN = (1.0, 1.6)
"""Least and most that is white, of the skin's luma: a bright background is no measure."""
_TONED, _COLOURFUL = 0.008, 0.016
"""Standard deviation of a face's red, green and blue shares, up to which a photo is of one hue, as
grey and toned ones are after JPEG, and from which on it is not."""

_DENOISE, _REBLUR = 1.0, 1.5
"""Pixels: standard deviations of what keeps noise out, and of what tells how soft an edge is."""
_EDGES = 0.985
"""The share of pixels that have less of an edge than those that are looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """What falls on a face.

    Attributes:
        white: luma, in levels, of something as bright as teeth.
        tint: its colour, of its luma.
        toned: the one hue of a grey or toned photo, of its luma.
        colourful: 0 for such a photo, else 1.
    """

    white: float
    tint: Colour
    toned: Colour
    colourful: float

    @staticmethod
    def of(photo: Crop, points: Points, space: MouthSpace) -> Light:
        """Judge a photo's crop by skin and highlights.

        Everything here is in proportion to the photo's levels, so that what is drawn keeps its
        ratio to the skin in any light.

        Args:
            points: (478, 2) landmarks, pixels of the picture.
        """
        skin = np.maximum(_skin(photo, points, space), np.float32(0.5))
        luma = float(skin @ _LUMA)
        levels = photo[::2, ::2].reshape(-1, 3).astype(np.float32)
        white = float(np.quantile(levels @ _LUMA, _WHITE))
        least, most = (each * luma for each in _WHITE_TO_SKIN)
        bright = levels[levels @ _LUMA > luma / 2]
        hues = bright / bright.sum(axis=1, keepdims=True)
        differing = float(hues.std(axis=0).mean())
        chroma: Colour = np.asarray(skin / luma, np.float32)
        return Light(
            min(max(white, least), most),
            np.asarray((chroma / _USUAL_SKIN) ** _TRUST, np.float32),
            chroma,
            min(max((differing - _TONED) / (_COLOURFUL - _TONED), 0.0), 1.0),
        )

    def on(self, colour: tuple[float, float, float]) -> Colour:
        """What something looks like in this light; its colour is that beside white of 1."""
        plain = np.array(colour, np.float32)
        lit = plain * self.tint
        toned = float(plain @ _LUMA) * self.toned
        return np.asarray(self.white * (toned + (lit - toned) * self.colourful), np.float32)


def softness(photo: Crop) -> float:
    """How soft the edges of a crop are: the standard deviation of their blur, pixels.

    An edge that is blurred again becomes flatter by a ratio that says how blurred it was: S. Zhuo
    and T. Sim, "Defocus Map Estimation from a Single Image", 2011.
    """
    once = blurred(photo.astype(np.float32) @ _LUMA, _DENOISE)
    before, after = _slopes(once), _slopes(blurred(once, _REBLUR))
    edges = before >= max(float(np.quantile(before, _EDGES)), 1e-3)
    if not edges.any():
        return 0.0
    ratio = float(np.median(before[edges] / np.maximum(after[edges], 1e-6)))
    variance = _REBLUR**2 / max(ratio * ratio - 1, 1e-3) - _DENOISE**2
    return float(np.sqrt(max(variance, 0)))


def blurred(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """A Gaussian blur of an array's first two axes; beyond its border it goes on as at it."""
    reach = int(np.ceil(3 * sigma))
    if reach < 1:
        return values
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (0, 1):
        ends = [(reach, reach) if each == axis else (0, 0) for each in range(values.ndim)]
        padded, count = np.pad(values, ends, "edge"), values.shape[axis]
        values = np.zeros_like(values)
        for start, tap in enumerate(taps):
            run = slice(start, start + count)
            values += tap * (padded[run] if axis == 0 else padded[:, run])
    return values


def _slopes(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    down, across = np.gradient(grey)
    return np.asarray(np.hypot(down, across), np.float32)


def _skin(photo: Crop, points: Points, space: MouthSpace) -> Colour:
    """The colour of the face's skin: the median of a few places keeps spots and shine out."""
    places = space.to_crop(space.from_picture(points[list(SKIN)]))
    columns, rows = np.clip(places.round().astype(int), 2, CROP_SIZE - 3).T
    patches = [photo[y - 2 : y + 3, x - 2 : x + 3] for x, y in zip(columns, rows, strict=True)]
    return np.asarray(np.median(np.stack(patches).reshape(-1, 3), axis=0), np.float32)
