"""Selects the face that speaks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from musetalk_fast.errors import FaceTurnedError, NoFaceError, UsageError
from musetalk_fast.media.face.finder import FaceFinder
from musetalk_fast.media.face.landmarks import Landmarks, average_face
from musetalk_fast.types import AvatarOptions, Box, Picture

_WORDS = ("largest", "left", "right")
_BEYOND = 0.5
"""Of a face's own width and height: how far beside it a point still means it."""
_MAX_LISTED = 8
_UPRIGHT, _SURE = math.radians(30), 14.0
"""Of a face in a turned picture: what is more tilted or less present may be none."""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The faces of a picture, and the one that was taken.

    Attributes:
        faces: from left to right; at a named box only the one in it.
        chosen: its number among them.
        reason: `largest`, `left`, `right`, `number`, `center` or `box`.
    """

    faces: tuple[Landmarks, ...]
    chosen: int
    reason: str


def look(
    rgb: Picture,
    options: AvatarOptions,
    finder: FaceFinder,
    *,
    list_others: bool = True,
    trust_box: bool = False,
    seek_turned: bool = True,
) -> Selection:
    """Find the face that the options ask for; `face_box` comes before `face_center` and `face`.

    Args:
        list_others: find the faces beside the largest, too, which takes several times as long.
        trust_box: take `face_box` as an average face's place if no face is seen there.
        seek_turned: where there is no face, look for one that lies or stands upside down, to say
            so; that takes three times as long as the search itself.

    Raises:
        errors.NoFaceError: it is not there; the message says what was looked for.
            Also: the box or the point lies outside the picture.
        errors.FaceTurnedError: there is none but on its side or upside down.
        errors.UsageError: `face` is not a choice.
    """
    check_choice(options, rgb.shape[1], rgb.shape[0])
    if options.face_box is not None:
        face = _named(rgb, options.face_box, finder, trust_box=trust_box)
        return Selection((face,), 0, "box")
    if options.face_center is not None:
        return _look_near(rgb, options.face_center, finder, seek_turned=seek_turned)
    levels = finder.search(rgb)
    faces = _first(levels)
    if not faces:
        _raise_nothing_found(rgb, finder, seek_turned=seek_turned)
    largest = max(faces, key=_area)
    if list_others or options.face != "largest":
        faces = next(levels, faces)
    if options.face == "largest":
        return Selection(tuple(faces), faces.index(largest), "largest")
    reason = options.face if options.face in _WORDS else "number"
    return Selection(tuple(faces), choose(faces, options.face), reason)


def check_choice(options: AvatarOptions, width: int, height: int) -> None:
    """Refuse options that no picture of that size can meet.

    Raises:
        errors.NoFaceError: the box or the point lies outside the picture.
        errors.UsageError: `face` is not a choice.
    """
    if options.face_box is not None:
        _check_box(options.face_box, width, height)
    elif options.face_center is not None:
        _check_center(options.face_center, width, height)
    else:
        _check_word(options.face)


def visible_faces(rgb: Picture, finder: FaceFinder) -> list[Landmarks]:
    """The faces that `left`, `right` and a number count, from left to right.

    Those that are several times smaller than the largest are not among them.
    """
    levels = finder.search(rgb)
    faces = _first(levels)
    return next(levels, faces)


def choose(faces: Sequence[Landmarks], face: str) -> int:
    """The number of the `left` or `right` face, or the number that was asked for.

    Args:
        faces: one or more, sorted from left to right.

    Raises:
        errors.NoFaceError: there are not as many.
    """
    if face in _WORDS:
        return 0 if face == "left" else len(faces) - 1
    return _counted(faces, int(face))


def _first(levels: Iterator[list[Landmarks]]) -> list[Landmarks]:
    """The faces of the first level that has some."""
    return next((faces for faces in levels if faces), [])


def _look_near(
    rgb: Picture, point: tuple[int, int], finder: FaceFinder, *, seek_turned: bool
) -> Selection:
    """The face at a point, of whatever size."""
    levels = finder.search(rgb)
    faces = _first(levels)
    faces = next(levels, faces)
    while not any(_is_near(face, *point) for face in faces):
        smaller = next(levels, None)
        if smaller is None:
            break
        faces = smaller
    if not faces:
        _raise_nothing_found(rgb, finder, seek_turned=seek_turned)
    return Selection(tuple(faces), _nearest(faces, *point), "center")


def _raise_nothing_found(rgb: Picture, finder: FaceFinder, *, seek_turned: bool) -> NoReturn:
    for quarters in (2, 1, 3) if seek_turned else ():
        found = finder.find(_turned(rgb, quarters), all_sizes=False)
        if any(abs(face.angle) < _UPRIGHT and face.presence > _SURE for face in found):
            raise FaceTurnedError(f"the face {stands_how(90.0 * quarters)}")
    raise NoFaceError(
        "no face found: looked for frontal faces of at least 3 % of the picture's longer side"
    )


def stands_how(degrees: float) -> str:
    """`stands upside down` or `lies on its side`, of a face that is turned by so many degrees."""
    return "stands upside down" if abs((degrees + 180) % 360 - 180) > 135 else "lies on its side"


def _counted(faces: Sequence[Landmarks], index: int) -> int:
    if index >= len(faces):
        count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
        numbers = "0" if len(faces) == 1 else f"0 to {len(faces) - 1}"
        raise NoFaceError(
            f"face {index} was asked for, but {count} found (counted from 0, from the left)",
            hint=f"use --face {numbers} ({_listed(faces)}), or name the place with "
            "--face-box X,Y,W,H",
        )
    return index


def _nearest(faces: Sequence[Landmarks], x: int, y: int) -> int:
    """The face with the nearest middle of those that the point is in or close to."""
    near = [number for number, face in enumerate(faces) if _is_near(face, x, y)]
    if not near:
        raise NoFaceError(
            f"no face found at the point {x},{y}, or within half its size of it",
            hint=f"the faces are {_listed(faces)}: give a point in one of them, or --face NUMBER",
        )
    return min(near, key=lambda number: _distance(faces[number], x, y))


def _is_near(face: Landmarks, x: int, y: int) -> bool:
    left, top, right, bottom = face.bounds
    across, down = _BEYOND * (right - left), _BEYOND * (bottom - top)
    return left - across <= x <= right + across and top - down <= y <= bottom + down


def _listed(faces: Sequence[Landmarks]) -> str:
    """`0 at 180,110 (92x109), 1 at 683,131 (184x203)`."""
    places = [face.place for face in faces[:_MAX_LISTED]]
    names = [
        f"{number} at {place.x},{place.y} ({place.width}x{place.height})"
        for number, place in enumerate(places)
    ]
    more = len(faces) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _check_box(box: Box, width: int, height: int) -> None:
    if box.width <= 0 or box.height <= 0 or not _touches(box, width, height):
        raise NoFaceError(
            f"the face box {_text(box)} lies outside the picture of {width}x{height} pixels",
            hint="give --face-box as X,Y,W,H in pixels from the picture's upper left corner",
        )


def _named(rgb: Picture, box: Box, finder: FaceFinder, *, trust_box: bool) -> Landmarks:
    face = finder.at(rgb, box)
    if face is None and trust_box:
        return average_face(box)
    if face is None:
        raise NoFaceError(
            f"no face found in the box {_text(box)}",
            hint="draw the box from the forehead to the chin, or have it taken as it is with "
            "--no-face-check",
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


def _turned(rgb: Picture, quarters: int) -> Picture:
    turned: Picture = np.ascontiguousarray(np.rot90(rgb, quarters))
    return turned


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
