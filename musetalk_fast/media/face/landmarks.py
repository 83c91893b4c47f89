"""The 478 points of a face, and whether there is one at all.

Source: Grishchenko et al., "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time", 2020;
model card "MediaPipe Face Mesh V2".
"""

from __future__ import annotations

import functools
import importlib.resources
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.face.detector import Bounds, Detection
from musetalk_fast.media.face.model import Model
from musetalk_fast.media.face.sampling import Patch, Region, partial_sample, sample
from musetalk_fast.media.partial_picture import PictureLike
from musetalk_fast.types import Box, Picture

_SIDE = 256
_SURROUNDINGS = 1.5
"""The model wants the face in the middle two thirds of its input."""
_RIGHT_EYE, _LEFT_EYE = 33, 263
"""Outer corners of the eyes."""
_RIGHT_EAR, _LEFT_EAR = 234, 454
"""Outline of the face in front of the ears."""
_INNER_LIPS = (78, 308, 13, 14)
"""Their corners, and the middles of the upper and the lower one."""
_LIPS_APART = 0.035
"""Of a mouth's width: the points of closed lips are up to a hundredth apart."""
_OTHER_LOOKS = ((0.9, 0.0), (1.0, -0.12))
"""(size, radians) by which they differ from the exact one: the two of eight that tell best."""
MOUTH = (
    *(61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375),
    *(78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 95, 88, 178, 87, 14, 317, 402, 318, 324),
)
"""The lips: their outer edge, then their inner one."""


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
    def place(self) -> Box:
        """The rectangle around all points, whole pixels: from the forehead to the chin."""
        left, top, right, bottom = (round(edge) for edge in self.bounds)
        return Box(left, top, right - left, bottom - top)

    @property
    def mouth_is_open(self) -> bool:
        """Whether the lips are apart."""
        left, right, above, below = self.points[list(_INNER_LIPS), :2]
        return bool(np.hypot(*(below - above)) > _LIPS_APART * np.hypot(*(right - left)))

    @property
    def angle(self) -> float:
        """Radians by which the line through the eyes is turned clockwise."""
        across, down = self.points[_LEFT_EYE, :2] - self.points[_RIGHT_EYE, :2]
        return math.atan2(float(down), float(across))

    @property
    def yaw(self) -> float:
        """Degrees by which the head is turned to either side, away from the camera.

        The angle between the line from ear to ear and the picture's plane.
        """
        across, down, away = self.points[_LEFT_EAR] - self.points[_RIGHT_EAR]
        return math.degrees(math.atan2(abs(float(away)), math.hypot(across, down)))


def average_face(box: Box) -> Landmarks:
    """The landmarks of an average upright face that fills a box, forehead to chin."""
    points = _average() * np.array([box.width, box.height, box.width], np.float32)
    points += np.array([box.x, box.y, 0], np.float32)
    return Landmarks(points, 0.0, box)


@functools.cache
def _average() -> NDArray[np.float32]:
    """(478, 3) float32: x and y from 0 to 1, depth in the unit of x; see `NOTICE`."""
    file = importlib.resources.files(__package__).joinpath("canonical_face.npz")
    with importlib.resources.as_file(file) as path, np.load(path) as stored:
        return np.asarray(stored["points"], np.float32)


class Mesh:
    """Finds the points of one face; one object serves one thread at a time."""

    def __init__(self) -> None:
        outputs, name = ("Identity", "Identity_1"), "face_landmarks_detector.tflite"
        self._model = Model(name, outputs)

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

    def follow(
        self, picture: PictureLike, face: Landmarks, shift: tuple[float, float]
    ) -> Landmarks:
        """Landmarks of a face that was there in the frame before, `shift` pixels away: one look."""
        region = _region_of(face)
        moved = Region(region.x + shift[0], region.y + shift[1], region.size, region.angle)
        return self._fitted(partial_sample(picture, moved, _SIDE), moved, face.box)

    def mouth_scatter(self, picture: Picture, face: Landmarks) -> float:
        """How far apart two more looks find the lips, as a share of the face's width.

        The lips of a face that can be seen lie still, however it is looked at; where something
        covers them, they are guessed anew each time.
        """
        region, found = _region_of(face), [face.points]
        for size, turn in _OTHER_LOOKS:
            other = Region(region.x, region.y, region.size * size, region.angle + turn)
            found.append(self._look(picture, other, face.box).points)
        lips = np.stack(found)[:, MOUTH, :2]
        left, _, right, _ = face.bounds
        return float(np.sqrt(lips.var(axis=0).sum(axis=-1)).mean() / max(right - left, 1.0))

    def _look(self, picture: Picture, region: Region, box: Box) -> Landmarks:
        return self._fitted(sample(picture, region, _SIDE), region, box)

    def _fitted(self, patch: Patch, region: Region, box: Box) -> Landmarks:
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
