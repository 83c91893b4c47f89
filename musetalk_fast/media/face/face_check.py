"""One face of a picture, ready to be animated, with what the user should know about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from musetalk_fast.media.face.box import mouth_box
from musetalk_fast.media.face.finder import FaceFinder
from musetalk_fast.media.face.landmarks import Landmarks
from musetalk_fast.media.face.selection import look
from musetalk_fast.types import AvatarOptions, Box, Picture

TINY_SIDE = 80
"""Pixels: below it less than a tenth of the crop's pixels reach the picture."""

_CUT_SHARE = 0.02
_TURNED_DEGREES = 30


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """The chosen face.

    Attributes:
        landmarks: its points.
        box: MuseTalk's box.
        notes: sentences for the user: a tiny face, one cut by the border, one that is turned.
    """

    landmarks: Landmarks
    box: Box
    notes: tuple[str, ...]


def find_face(rgb: Picture, options: AvatarOptions, finder: FaceFinder | None = None) -> FoundFace:
    """Find the face that the options ask for, and its box.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        options: which face, and how its box is shifted.
        finder: loaded models to use again; None loads them.

    Raises:
        errors.NoFaceError: it is not there.
        errors.FaceSizeError: it is too small for the model.
        errors.UsageError: options that contradict the face or make no sense.
    """
    height, width = rgb.shape[:2]
    landmarks = look(rgb, options, finder or FaceFinder())
    box = mouth_box(landmarks, options, width, height)
    return FoundFace(landmarks, box, _notes(landmarks, box, width, height))


def _notes(landmarks: Landmarks, box: Box, width: int, height: int) -> tuple[str, ...]:
    notes = []
    if min(box.width, box.height) < TINY_SIDE:
        notes.append(
            f"the face is tiny ({box.width}x{box.height} pixels): the mouth will look soft; "
            "a larger picture gives a better video"
        )
    sides = _cut_sides(landmarks, width, height)
    if sides:
        notes.append(f"the face is cut by the picture's {' and '.join(sides)} border")
    degrees = abs(math.degrees(landmarks.angle))
    if degrees > _TURNED_DEGREES:
        notes.append(
            f"the face is turned by {degrees:.0f} degrees; the model was made for upright faces"
        )
    return tuple(notes)


def _cut_sides(landmarks: Landmarks, width: int, height: int) -> list[str]:
    left, top, right, bottom = landmarks.bounds
    slack = _CUT_SHARE * max(right - left, bottom - top)
    beyond = {
        "left": -left,
        "upper": -top,
        "right": right - width,
        "lower": bottom - height,
    }
    return [side for side, by in beyond.items() if by > slack]
