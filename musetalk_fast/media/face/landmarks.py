"""The 478 points of a face, and whether there is one at all.

Source: Grishchenko et al., "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time", 2020;
model card "MediaPipe Face Mesh V2".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.face.detector import Bounds, Detection
from musetalk_fast.media.face.model import Model
from musetalk_fast.media.face.sampling import Region, sample
from musetalk_fast.types import Box, Picture

_SIDE = 256
_SURROUNDINGS = 1.5
"""The model wants the face in the middle two thirds of its input."""
_RIGHT_EYE, _LEFT_EYE = 33, 263
"""Outer corners of the eyes."""


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """A face.

    Attributes:
        points: (478, 3) float32: x, y in pixels of the picture (pixel `i` covers `[i, i + 1)`) and
            depth in the same unit; numbered as MediaPipe's Face Mesh.
        presence: logit of "this is a face": 15 to 24 for faces, below 7 for what is none.
        box: where the detector (or the user) saw it.
    """

    points: NDArray[np.float32]
    presence: float
    box: Box

    @property
    def bounds(self) -> Bounds:
        """Edges of all points."""
        low, high = self.points[:, :2].min(axis=0), self.points[:, :2].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def angle(self) -> float:
        """Radians by which the line through the eyes is turned clockwise."""
        across, down = self.points[_LEFT_EYE, :2] - self.points[_RIGHT_EYE, :2]
        return math.atan2(float(down), float(across))


class Mesh:
    """Finds the points of one face; one object serves one thread at a time."""

    def __init__(self, threads: int) -> None:
        outputs = ("Identity", "Identity_1")
        self._model = Model("face_landmarks_detector.tflite", outputs, threads)

    def fit(self, picture: Picture, face: Detection, *, passes: int = 2) -> Landmarks:
        """Landmarks of a detected face.

        The second look, turned and centred by the first, is the exact one; a third helps where
        the first had only a rough place.
        """
        box = Box(
            round(face.x - face.width / 2),
            round(face.y - face.height / 2),
            round(face.width),
            round(face.height),
        )
        size = max(face.width, face.height) * _SURROUNDINGS
        region = Region(face.x, face.y, size, face.angle)
        for _ in range(passes):
            landmarks = self._look(picture, region, box)
            region = _region_of(landmarks)
        return landmarks

    def _look(self, picture: Picture, region: Region, box: Box) -> Landmarks:
        patch = sample(picture, region, _SIDE)
        points, presence = self._model.run(patch / np.float32(255))
        placed = region.to_picture(points.reshape(-1, 3), _SIDE)
        return Landmarks(placed, float(presence.ravel()[0]), box)


def _region_of(landmarks: Landmarks) -> Region:
    """The upright square of a face's own frame around its points, with its surroundings."""
    angle = landmarks.angle
    along = np.array([math.cos(angle), math.sin(angle)], np.float32)
    across = np.array([-along[1], along[0]], np.float32)
    u, v = landmarks.points[:, :2] @ along, landmarks.points[:, :2] @ across
    middle = along * (u.min() + u.max()) / 2 + across * (v.min() + v.max()) / 2
    size = max(float(np.ptp(u)), float(np.ptp(v)), 1.0) * _SURROUNDINGS
    return Region(float(middle[0]), float(middle[1]), size, angle)
