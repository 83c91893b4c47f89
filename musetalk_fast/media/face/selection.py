"""Which of the faces speaks."""

from __future__ import annotations

from collections.abc import Sequence

from musetalk_fast.errors import NoFaceError, UsageError
from musetalk_fast.media.face.finder import FaceFinder
from musetalk_fast.media.face.landmarks import Landmarks
from musetalk_fast.types import AvatarOptions, Box, Picture

_WORDS = ("largest", "left", "right")


def look(rgb: Picture, options: AvatarOptions, finder: FaceFinder) -> Landmarks:
    """Find the face that the options ask for; `face_box` comes before `face_center` and `face`.

    Raises:
        errors.NoFaceError: it is not there; the message says what was looked for.
            Also: the box or the point lies outside the picture.
        errors.UsageError: `face` is not a choice.
    """
    if options.face_box is not None:
        return _named(rgb, options.face_box, finder)
    if options.face_center is not None:
        _check_center(options.face_center, *rgb.shape[1::-1])
    _check_word(options.face)
    only_largest = options.face == "largest" and options.face_center is None
    return choose(finder.find(rgb, all_sizes=not only_largest), options)


def choose(faces: Sequence[Landmarks], options: AvatarOptions) -> Landmarks:
    """Pick a face by `face_center` or `face`.

    Args:
        faces: sorted from left to right.

    Raises:
        errors.NoFaceError: there is none, or not as many.
        errors.UsageError: `face` is not a choice.
    """
    _check_word(options.face)
    if not faces:
        raise NoFaceError(
            "no face found: looked for frontal faces of at least 3 % of the picture's longer side"
        )
    if options.face_center is not None:
        x, y = options.face_center
        return min(faces, key=lambda face: _distance(face, x, y))
    if options.face == "largest":
        return max(faces, key=_area)
    if options.face in _WORDS:
        return faces[0 if options.face == "left" else -1]
    return _counted(faces, int(options.face))


def _counted(faces: Sequence[Landmarks], index: int) -> Landmarks:
    if index >= len(faces):
        count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
        numbers = "0" if len(faces) == 1 else f"0 to {len(faces) - 1}"
        raise NoFaceError(
            f"face {index} was asked for, but {count} found (counted from 0, from the left)",
            hint=f"use --face {numbers}, or name the place with --face-box X,Y,W,H",
        )
    return faces[index]


def _named(rgb: Picture, box: Box, finder: FaceFinder) -> Landmarks:
    height, width = rgb.shape[:2]
    if box.width <= 0 or box.height <= 0 or not _touches(box, width, height):
        raise NoFaceError(
            f"the face box {_text(box)} lies outside the picture of {width}x{height} pixels",
            hint="give --face-box as X,Y,W,H in pixels from the picture's upper left corner",
        )
    face = finder.at(rgb, box)
    if face is None:
        raise NoFaceError(
            f"no face found in the box {_text(box)}",
            hint="draw the box from the eyebrows to the chin",
        )
    return face


def _check_center(center: tuple[int, int], width: int, height: int) -> None:
    x, y = center
    if not (0 <= x < width and 0 <= y < height):
        raise NoFaceError(
            f"the point {x},{y} lies outside the picture of {width}x{height} pixels",
            hint="give --face-center as X,Y in pixels from the picture's upper left corner",
        )


def _check_word(face: str) -> None:
    is_index = face.isascii() and face.isdigit() and len(face) <= 4
    if face not in _WORDS and not is_index:
        raise UsageError(
            f"face {face[:40]!r} is not a choice",
            hint="use largest, left, right, or a number counted from 0, from the left",
        )


def _touches(box: Box, width: int, height: int) -> bool:
    """Whether a sane part of the picture is in the box: neither beside it nor far larger."""
    beside = box.x >= width or box.y >= height or box.x + box.width <= 0 or box.y + box.height <= 0
    return not beside and max(box.width, box.height) <= 2 * max(width, height)


def _text(box: Box) -> str:
    return ",".join(str(number) for number in box)


def _area(face: Landmarks) -> float:
    left, top, right, bottom = face.bounds
    return (right - left) * (bottom - top)


def _distance(face: Landmarks, x: float, y: float) -> float:
    left, top, right, bottom = face.bounds
    return ((left + right) / 2 - x) ** 2 + ((top + bottom) / 2 - y) ** 2
