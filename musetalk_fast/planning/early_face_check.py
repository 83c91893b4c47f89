"""Looks for the avatar's face before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from musetalk_fast.config import BUILTIN, OutputSettings, Settings
from musetalk_fast.config.settings import kinds
from musetalk_fast.events import FacePlace, FacesEvent, OnEvent, WarningEvent
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.media.frame_size import Placement
from musetalk_fast.types import SOURCE_SIZE, Box, Fit, Picture

if TYPE_CHECKING:
    from musetalk_fast.errors import InputError
    from musetalk_fast.media.face import FaceFinder, FoundFace

_LOOK_SECS = 0.5
_MAX_LOOKS = 6
"""Of a moving avatar: as many pictures, so far apart, are searched for the first face."""


def look_for_face(
    avatar_source: AvatarSource, settings: Settings, on_event: OnEvent
) -> tuple[Box, bool]:
    """Where the mouth of the chosen face is, and whether it is open.

    In the first of a few source frames that has a face.

    Raises:
        errors.InputError: the leaf that says what is wrong with the first source frame.
    """
    from musetalk_fast.errors import InputError
    from musetalk_fast.media.face import FaceFinder, face_notes, find_face

    options = settings.avatar.options()
    finder = FaceFinder()
    picture = picture_with_face(avatar_source, finder)
    try:
        found = find_face(picture, options, finder)
    except InputError as error:
        error.where = str(avatar_source.path)
        error.hint = _face_hint(error, settings, avatar_source)
        raise
    on_event(_faces_event(found))
    for note in face_notes(picture, found, finder):
        on_event(WarningEvent(message=note))
    x, y, width, height = found.box
    lower_half = Box(x, y + height // 2, width, height - height // 2)
    if is_cut_off(lower_half, avatar_source.placement):
        message = "of the first face the mouth is cut off: --fit pad shows all of the avatar"
        on_event(WarningEvent(message=message))
    return lower_half, found.landmarks.mouth_is_open


def picture_with_face(avatar_source: AvatarSource, finder: FaceFinder) -> Picture:
    """A still; of a moving avatar the first of a few source frames with a face, or the first."""
    if avatar_source.rate is None:
        return avatar_source.picture(0)
    every = max(1, round(avatar_source.rate * _LOOK_SECS))
    looks = range(0, avatar_source.frames, every)[:_MAX_LOOKS]
    pictures = (avatar_source.picture(source) for source in looks)
    first = next(pictures)
    found = (each for each in chain([first], pictures) if finder.find(each, all_sizes=False))
    return next(found, first)


def is_cut_off(mouth: Box, placement: Placement | None) -> bool:
    """Whether the middle of a mouth is not in the frame."""
    if placement is None:
        return False
    across, down, left, top, _, (width, height) = placement
    x, y = mouth.x + mouth.width / 2, mouth.y + mouth.height / 2
    return not (0 <= left + x * across < width and 0 <= top + y * down < height)


def _faces_event(found: FoundFace) -> FacesEvent:
    selection = found.selection
    places = (FacePlace(**face.place._asdict()) for face in selection.faces)
    return FacesEvent(faces=tuple(places), chosen=selection.chosen, reason=selection.reason)


def _face_hint(error: InputError, settings: Settings, avatar: AvatarSource) -> str | None:
    """What the user can do about a face, knowing what the picture went through."""
    from musetalk_fast.errors import NoFaceError

    hint = error.hint
    if hint != error.default_hint:
        return hint
    changes = " ".join(_size_flags(settings.output)) if avatar.placement is None else ""
    if changes:
        hint = f"the picture was changed by {changes}: leave that out, or {hint}"
    if isinstance(error, NoFaceError) and set(settings.server.url or ()) - {BUILTIN}:
        # The built-in engine looks with the same eyes; others may see more.
        hint = f"{hint}, or let the server look for itself: --no-face-check"
    return hint


def _size_flags(output: OutputSettings) -> Iterator[str]:
    """What made a picture smaller, or cut it."""
    if output.resolution not in (None, SOURCE_SIZE):
        yield f"--resolution {kinds(OutputSettings)['resolution'].write(output.resolution)}"
    if output.max_side is not None:
        yield f"--max-side {output.max_side}"
    if output.fit is not Fit.PAD:
        yield f"--fit {output.fit}"
