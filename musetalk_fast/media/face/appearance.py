"""What a face looks like, so that it is known again.

The brightness at the mesh's points, whatever the head's size and tilt: correlated with that of the
same face seen before. Measured on two portraits: the same person in other light, smaller, blurred,
noisy, tilted or sheared has 0.81 at least, the other person 0.39.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.face.landmarks import MOUTH, Landmarks
from musetalk_fast.media.partial_picture import PictureLike

_LEAST = 0.65
_LEARNING = 0.1
"""Share of a new look in what is remembered: light and pose change slowly, persons do not."""
_SPOT = 1 / 96
"""Of a face's width: a point's brightness is the mean of five around it, as finer detail tells more
of the picture's sharpness than of the person."""
_AROUND = np.array([[0, 0], [-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
_POINTS = np.setdiff1d(np.arange(468), MOUTH)
"""All of the mesh but the lips, which speak, and the irises, which look around."""
_BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)

Values = NDArray[np.float32]
"""(428,) float32, without mean, of length 1."""


class Appearance:
    """A face as it was seen up to now."""

    def __init__(self, values: Values) -> None:
        self._values = values

    @staticmethod
    def of(rgb: PictureLike, face: Landmarks) -> Appearance:
        """The first look at it.

        Args:
            rgb: (H, W, 3) uint8 RGB.
        """
        return Appearance(_values(rgb, face))

    def likeness(self, rgb: PictureLike, face: Landmarks) -> float:
        """-1..1: how much a face looks like this one."""
        return float(self._values @ _values(rgb, face))

    def fits(self, rgb: PictureLike, face: Landmarks) -> bool:
        """Whether a face looks like this one; it is remembered then."""
        values = _values(rgb, face)
        if float(self._values @ values) < _LEAST:
            return False
        self._values = _normal(self._values + np.float32(_LEARNING) * (values - self._values))
        return True


def _values(rgb: PictureLike, face: Landmarks) -> Values:
    left, _, right, _ = face.bounds
    beside = _SPOT * (right - left)
    places = (face.points[_POINTS, None, :2] + beside * _AROUND).astype(np.intp)
    places = np.clip(places, 0, np.array(rgb.shape[1::-1]) - 1)
    low, high = places.min(axis=(0, 1)), places.max(axis=(0, 1)) + 1
    around = rgb[low[1] : high[1], low[0] : high[0]]
    columns, rows = (places - low).transpose(2, 0, 1)
    return _normal(around[rows, columns].astype(np.float32).mean(axis=1) @ _BRIGHTNESS)


def _normal(values: Values) -> Values:
    values = values - values.mean()
    return values / max(float(np.linalg.norm(values)), 1e-6)
