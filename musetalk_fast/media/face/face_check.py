"""Finds the face of a picture that is to speak, and collects warnings about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from musetalk_fast.errors import FaceTurnedError, MouthHiddenError
from musetalk_fast.media.face.box import mouth_box
from musetalk_fast.media.face.finder import FaceFinder
from musetalk_fast.media.face.landmarks import MOUTH, Landmarks
from musetalk_fast.media.face.selection import Selection, look, stands_how
from musetalk_fast.types import AvatarOptions, Box, Picture

TINY_SIDE = 80
"""Pixels: below it less than a tenth of the crop's pixels reach the picture."""

_CUT_SHARE = 0.02
_TURNED_DEGREES = 30
_LYING_DEGREES = 75
"""From here on the mouth is no longer in the lower half of MuseTalk's box."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """The chosen face.

    Attributes:
        selection: all faces that were found, and why this one was taken.
        box: MuseTalk's box.
    """

    selection: Selection
    box: Box

    @property
    def landmarks(self) -> Landmarks:
        """Its points."""
        return self.selection.faces[self.selection.chosen]


def find_face(
    rgb: Picture,
    options: AvatarOptions,
    finder: FaceFinder | None = None,
    *,
    list_others: bool = True,
    trust_box: bool = False,
) -> FoundFace:
    """Find the face that the options ask for, and its box.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        options: which face, and how its box is shifted.
        finder: loaded models to use again; None loads them.
        list_others: find the faces beside the largest, too.
        trust_box: take `options.face_box` as an average face's place if no face is seen there.

    Raises:
        errors.NoFaceError: it is not there.
        errors.FaceTurnedError, errors.MouthHiddenError: its mouth is not where a mouth can be
            made.
        errors.FaceSizeError: it is too small for the model.
        errors.FaceOptionsError: it does not allow this shift or margin.
        errors.UsageError: options that make no sense.
    """
    height, width = rgb.shape[:2]
    finder = finder or FaceFinder()
    selection = look(rgb, options, finder, list_others=list_others, trust_box=trust_box)
    landmarks = selection.faces[selection.chosen]
    check_upright(landmarks)
    check_mouth(landmarks, width, height)
    return FoundFace(selection, mouth_box(landmarks, options, width, height))


def face_notes(rgb: Picture, found: FoundFace, finder: FaceFinder) -> tuple[str, ...]:
    """Sentences for the user: a tiny face, one cut by the border, turned, or with a hidden mouth.

    Args:
        rgb: the picture in which the face was found.
    """
    height, width = rgb.shape[:2]
    landmarks, box = found.landmarks, found.box
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
    if not finder.sees_mouth(rgb, landmarks):
        notes.append(
            "something seems to cover the mouth (a hand, a mask, a microphone): it will move with "
            "it; a picture that shows the mouth gives a better video"
        )
    return tuple(notes)


def check_upright(landmarks: Landmarks) -> None:
    """Refuse a face on its side or upside down; raises `errors.FaceTurnedError`."""
    degrees = math.degrees(landmarks.angle)
    if abs(degrees) > _LYING_DEGREES:
        raise FaceTurnedError(f"the face {stands_how(degrees)}")


def check_mouth(landmarks: Landmarks, width: int, height: int) -> None:
    """Refuse a face of whose mouth the picture shows less than half: `errors.MouthHiddenError`."""
    x, y = landmarks.points[list(MOUTH), :2].T
    shown = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if np.count_nonzero(shown) < len(MOUTH) / 2:
        sides = " and ".join(_cut_sides(landmarks, width, height))
        raise MouthHiddenError(
            f"the mouth is not in the picture: its {sides} border cuts the face before it"
        )


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
