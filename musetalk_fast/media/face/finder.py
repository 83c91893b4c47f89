"""All faces of a picture, or the one at a named place."""

from __future__ import annotations

import math
from collections.abc import Iterator

from musetalk_fast.media.face.detector import Detection, Detector, same_face
from musetalk_fast.media.face.landmarks import Landmarks, Mesh
from musetalk_fast.media.face.sampling import Region
from musetalk_fast.media.partial_picture import PictureLike
from musetalk_fast.types import Box, Picture

MIN_PRESENCE = 10.0
"""Logit of the mesh above which something that looks like a face is one: faces reach 15 to 24,
a cat or a coin at most 7, a face upside down 4."""

MIN_PRESENCE_NAMED = 0.0
"""The same where the user named the place: the model's own "rather yes than no"."""

_TURNS = (0.0, math.pi, math.pi / 2, -math.pi / 2)
"""Radians clockwise: how a face at a named place may stand, the likeliest first."""

_COVERED_SCATTER = 0.005
"""Of the face's width. Measured: 24 mouths that can be seen have 0.0042 at most; of 131 that
rectangles, fingers or a microphone cover, nine in ten have more than 0.005."""


class FaceFinder:
    """Finds faces and their landmarks.

    Loading takes milliseconds; one object serves one thread at a time. Runs release the GIL.
    """

    def __init__(self) -> None:
        self._detector = Detector()
        self._mesh = Mesh()

    def find(self, rgb: Picture, *, all_sizes: bool = True) -> list[Landmarks]:
        """Faces from left to right.

        Args:
            rgb: (H, W, 3) uint8 RGB.
            all_sizes: look for small ones too; otherwise stop at the size at which some were
                found, which is enough for the largest and several times faster.
        """
        found: list[Landmarks] = []
        for found in self.search(rgb):
            if found and not all_sizes:
                break
        return found

    def search(self, rgb: Picture) -> Iterator[list[Landmarks]]:
        """Faces from left to right, again after each level of size, large ones first.

        Args:
            rgb: (H, W, 3) uint8 RGB.
        """
        found: list[Landmarks] = []
        for level in self._detector.levels(rgb):
            for detection in level:
                self._confirm(rgb, detection, found)
            yield sorted(found, key=_middle)

    def at(self, rgb: Picture, box: Box) -> Landmarks | None:
        """The face at a place that the user named, or None if nothing there resembles one.

        It may lie on its side or stand upside down: `Landmarks.angle` says so.
        """
        x, y = box.x + box.width / 2, box.y + box.height / 2
        best: Landmarks | None = None
        for turn in _TURNS:
            seen = Detection(1.0, x, y, box.width, box.height, turn)
            face = self._mesh.fit(rgb, seen, passes=3)
            if _usable(face) and (best is None or face.presence > best.presence):
                best = face
            if best is not None and best.presence > MIN_PRESENCE:
                break
        return best if best is not None and best.presence > MIN_PRESENCE_NAMED else None

    def follow(
        self, rgb: PictureLike, face: Landmarks, shift: tuple[float, float]
    ) -> Landmarks | None:
        """What is where a face should be that moved by `shift` pixels since the frame before.

        One look: whoever else stands there is found as well. None if nobody does.
        """
        found = self._mesh.follow(rgb, face, shift)
        return found if _usable(found) and found.presence > MIN_PRESENCE else None

    def near(self, rgb: Picture, place: Region) -> list[Landmarks]:
        """The faces in a square of the picture that are not several times smaller than it."""
        found: list[Landmarks] = []
        for detection in self._detector.near(rgb, place):
            self._confirm(rgb, detection, found)
        return found

    def sees_mouth(self, rgb: Picture, face: Landmarks) -> bool:
        """Whether nothing covers the mouth of a face; two more looks, some milliseconds each."""
        return self._mesh.mouth_scatter(rgb, face) < _COVERED_SCATTER

    def _confirm(self, rgb: Picture, detection: Detection, found: list[Landmarks]) -> None:
        if any(same_face(detection.bounds, face.bounds) for face in found):
            return
        face = self._mesh.fit(rgb, detection)
        if face.presence <= MIN_PRESENCE or not _usable(face):
            return
        if not any(same_face(face.bounds, other.bounds) for other in found):
            found.append(face)


def _middle(face: Landmarks) -> float:
    left, _, right, _ = face.bounds
    return left + right


def _usable(face: Landmarks) -> bool:
    """Whether the points are numbers; a model fed with nonsense need not answer with any."""
    return all(math.isfinite(edge) for edge in face.bounds)
