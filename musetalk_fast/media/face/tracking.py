"""One face of a clip, chosen once and followed: never another person's.

The next frame's face is looked for where the last one was, moving on as it moved: one look of the
mesh. What is found there is the same face if it has gone no further and changed its size no more
than a head can in the time, and has the same appearance: a crossing or a cut puts somebody else
there. Otherwise the detector looks around that place, and further the longer the face is away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import InputError, NoFaceError
from musetalk_fast.media.face.appearance import Appearance
from musetalk_fast.media.face.box import mouth_box
from musetalk_fast.media.face.face_check import check_mouth, check_upright
from musetalk_fast.media.face.finder import FaceFinder
from musetalk_fast.media.face.landmarks import Landmarks
from musetalk_fast.media.face.sampling import Region
from musetalk_fast.media.face.selection import check_choice, look
from musetalk_fast.media.partial_picture import PictureLike
from musetalk_fast.types import AvatarOptions, Box

MAX_YAW, MAX_YAW_AGAIN = 45.0, 38.0
"""Degrees: a head turned further shows too little of its mouth; it counts again below the other."""

_REACH, _REACH_LATER = 0.5, 0.2
"""A face's middle comes no further from where it should be, in sides of the face: in one frame, and
in each frame more in which it was not seen."""
_GROWTH, _GROWTH_LATER, _MAX_GROWTH = 1.3, 0.05, 2.5
"""The same for the factor by which its size changes."""
_SURROUNDINGS = 2.5
"""Sides of the face: the square around its place that the detector searches."""
_LOST = 50
"""Frames: after that, as before a face was chosen, the whole picture is searched, but not each."""
_SEARCH_EVERY = 5
_STEPS = 3
"""Frames for which an unseen face is thought to move on."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """The face in one source frame.

    Attributes:
        box: MuseTalk's box.
    """

    landmarks: Landmarks
    box: Box


class FaceTracker:
    """Follows one face; the first source frame that shows the face asked for decides which it is.

    One object serves one clip and one thread.

    Args:
        options: which face, and how its box is shifted.
    """

    def __init__(self, options: AvatarOptions, finder: FaceFinder) -> None:
        self._options = options
        self._finder = finder
        self._last: _Seen | None = None
        self._appearance: Appearance | None = None
        self._unseen = 0
        self._turn = TurnLimit()
        self._refusal: InputError | None = None

    def track(self, rgb: PictureLike) -> TrackedFace | None:
        """The face in the next source frame, or None if it is not there or of no use there.

        Args:
            rgb: (H, W, 3) uint8 RGB, of one size for all frames; most of the time only the part
                around the face is looked at.

        Raises:
            errors.NoFaceError: the place that the options name lies outside the picture.
            errors.UsageError: options that make no sense.
        """
        height, width = rgb.shape[:2]
        check_choice(self._options, width, height)
        try:
            face = self._chosen(rgb) if self._last is None else self._followed(rgb, self._last)
            if face is None or self._turn.is_beyond(face.yaw):
                return None
            check_upright(face)
            check_mouth(face, width, height)
            return TrackedFace(face, mouth_box(face, self._options, width, height))
        except InputError as error:
            if self._refusal is None or self._refusal.hint == NoFaceError.default_hint:
                self._refusal = error  # one that says more than that there is nothing
            return None

    @property
    def refusal(self) -> InputError:
        """Why no source frame had a usable face, if none had."""
        return self._refusal or NoFaceError(
            f"the face is turned away by more than {MAX_YAW:.0f} degrees in all source frames",
            hint="use a video that shows the face from the front",
        )

    def _chosen(self, rgb: PictureLike) -> Landmarks | None:
        is_first = self._unseen == 0
        self._unseen += 1
        if not self._is_due():
            return None
        selection = look(
            rgb[:, :], self._options, self._finder, list_others=False, seek_turned=is_first
        )
        face = selection.faces[selection.chosen]
        self._appearance = Appearance.of(rgb, face)
        self._note(face)
        return face

    def _followed(self, rgb: PictureLike, last: _Seen) -> Landmarks | None:
        here = self._finder.follow(rgb, last.face, last.way(self._unseen))
        for face in self._candidates(rgb, last, here):
            if last.may_be(face, self._unseen) and self._appearance_fits(rgb, face):
                self._note(face)
                return face
        self._unseen += 1
        return None

    def _candidates(
        self, rgb: PictureLike, last: _Seen, here: Landmarks | None
    ) -> Iterable[Landmarks]:
        """What may be the face, the likeliest first."""
        if here is not None:
            yield here
        if self._unseen >= _LOST:
            faces = self._finder.find(rgb[:, :]) if self._is_due() else []
        else:
            faces = self._finder.near(rgb[:, :], last.surroundings(self._unseen))
        yield from sorted(faces, key=lambda face: last.distance(face, self._unseen))

    def _appearance_fits(self, rgb: PictureLike, face: Landmarks) -> bool:
        assert self._appearance is not None  # chosen together
        return self._appearance.fits(rgb, face)

    def _note(self, face: Landmarks) -> None:
        self._last = _Seen.of(face, self._last if self._unseen == 0 else None)
        self._unseen = 0

    def _is_due(self) -> bool:
        """Whether this is a frame in which the whole picture is searched."""
        return self._unseen <= _LOST or self._unseen % _SEARCH_EVERY == 0


class TurnLimit:
    """Whether a head is turned away too far: with hysteresis, so that it does not flicker."""

    def __init__(self) -> None:
        self._is_beyond = False

    def is_beyond(self, yaw: float) -> bool:
        """Take the next frame's yaw, degrees."""
        self._is_beyond = yaw > (MAX_YAW_AGAIN if self._is_beyond else MAX_YAW)
        return self._is_beyond


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Where a face was, and how far it went in the frame before."""

    face: Landmarks
    middle: NDArray[np.float64]
    side: float
    step: NDArray[np.float64]

    @staticmethod
    def of(face: Landmarks, before: _Seen | None) -> _Seen:
        """A face; `before`: as it was one frame earlier, if it was there."""
        left, top, right, bottom = face.bounds
        middle = np.array([left + right, top + bottom]) / 2
        step = np.zeros(2) if before is None else middle - before.middle
        return _Seen(face, middle, max(right - left, bottom - top), step)

    def way(self, unseen: int) -> tuple[float, float]:
        """How far it has gone when it was not seen in so many frames; not for long in one go."""
        across, down = self.step * min(unseen + 1, _STEPS)
        return float(across), float(down)

    def distance(self, face: Landmarks, unseen: int) -> float:
        """From where it should be now to a face, in its own sides."""
        place = _Seen.of(face, None).middle - self.middle - self.way(unseen)
        return float(np.hypot(*place)) / self.side

    def may_be(self, face: Landmarks, unseen: int) -> bool:
        """Whether it may have become that face while it was not seen in so many frames."""
        growth = _Seen.of(face, None).side / self.side
        most = min(_GROWTH + _GROWTH_LATER * unseen, _MAX_GROWTH)
        is_near = self.distance(face, unseen) <= _REACH + _REACH_LATER * unseen
        return is_near and max(growth, 1 / growth) <= most

    def surroundings(self, unseen: int) -> Region:
        """The square in which it is looked for."""
        across, down = self.middle + self.way(unseen)
        reach = _REACH + _REACH_LATER * unseen
        return Region(float(across), float(down), self.side * max(_SURROUNDINGS, 2 * reach))
