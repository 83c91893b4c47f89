"""The folder of a sequence: written whole beside its place, then moved there."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from musetalk_fast.errors import OutputExistsError, OutputPlaceError
from musetalk_fast.storage import is_mount_point, open_regular, sync_file, sync_folder, write_errors
from musetalk_fast.video.frame_names import FrameNames

MARKER = ".musetalk-fast.json"
"""Says which files of the folder are ours: only they are ever replaced. Hidden, so that programs
that take every picture of a folder pass it over."""

_MAX_MARKER = 1 << 16
_MAX_FRAMES = 1 << 26
_MAX_NAMED = 3


class SequenceFolder:
    """A folder that is being filled with the files of frames.

    Args:
        folder: where it is filled: not there yet, on the same file system as its place.
        names: of the files.
        comment: who made them, for whoever opens the marker.

    Raises:
        errors.OutputWriteError: it cannot be made.
    """

    def __init__(self, folder: Path, names: FrameNames, comment: str) -> None:
        self._folder, self._names, self._comment = folder, names, comment
        self._frames = self._bytes = 0
        with write_errors(folder):
            folder.mkdir()

    def add(self, content: bytes) -> None:
        """Write the file of the next frame.

        Raises:
            errors.OutputWriteError: the disk is full or the folder gone.
        """
        path = self._folder / self._names.name(self._frames)
        with write_errors(path):
            path.write_bytes(content)
        self._frames += 1
        self._bytes += len(content)

    def commit(
        self, place: Path, *, overwrite: bool, check: Callable[[], None] = lambda: None
    ) -> int:
        """Move the folder to its place, safe from a power cut; the bytes of its frames.

        Nothing, an empty folder or another sequence of ours may be there.

        Args:
            check: called often before it is moved; may raise to stop.

        Raises:
            errors.OutputExistsError: a sequence is there, and `overwrite` is off.
            errors.OutputPlaceError: something else is there: it stays.
            errors.OutputWriteError: the disk is full or the folder gone.
        """
        said = {"made": self._comment, "names": self._names.pattern, "frames": self._frames}
        with write_errors(place):
            (self._folder / MARKER).write_text(json.dumps(said) + "\n")
            for frame in range(self._frames):
                check()
                sync_file(self._folder / self._names.name(frame))
            sync_file(self._folder / MARKER)
            sync_folder(self._folder)
            check()
            self._move(place, overwrite=overwrite)
            sync_folder(place.parent)
        return self._bytes

    def _move(self, place: Path, *, overwrite: bool) -> None:
        try:
            self._folder.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        else:
            return
        check_sequence_place(place, overwrite=overwrite)
        old = self._folder.with_name(f"{self._folder.name}.replaced")
        place.rename(old)
        try:
            check_sequence_place(old, overwrite=True)  # what has come meanwhile is not lost
            self._folder.rename(place)
        except BaseException:
            old.rename(place)
            raise
        _remove(old)


def check_sequence_place(place: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds anything but frames of ours.

    Raises:
        errors.OutputExistsError: it holds them, and `overwrite` is off.
        errors.OutputPlaceError: no folder, or one with other files.
        errors.OutputWriteError: it cannot be read.
    """
    hint = "name a folder that is new or empty"
    with write_errors(place):
        if not os.path.lexists(place):
            return
        if not place.is_dir():
            raise OutputPlaceError("this is not a folder", where=str(place), hint=hint)
        if is_mount_point(place):
            message = "something is mounted on this folder: it cannot be replaced"
            raise OutputPlaceError(message, where=str(place), hint=hint)
        names = {entry.name for entry in place.iterdir()}
    if others := sorted(names - _ours(place)):
        named = ", ".join(others[:_MAX_NAMED]) + ", ..." * (len(others) > _MAX_NAMED)
        message = f"this folder holds files that are none of ours: {named}"
        raise OutputPlaceError(message, where=str(place), hint=hint)
    if names and not overwrite:
        raise OutputExistsError("this sequence exists", where=str(place))


def sequence_files(output: Path) -> list[Path]:
    """The files of a finished sequence of ours, in order; none if one of them is missing.

    Args:
        output: the pattern of their names, in their folder.
    """
    said = read_marker(output.parent)
    if said is None or said.names.pattern != output.name:
        return []
    names, frames = said.names, said.frames
    try:
        present = _regular_files(output.parent)
    except OSError:
        return []
    files = [names.name(frame) for frame in range(frames)] if frames <= len(present) else []
    return [output.parent / name for name in files] if present.issuperset(files) else []


def sequence_comment(output: Path) -> str:
    """Who made a finished sequence of ours; empty if it is none, or not whole.

    Args:
        output: as `sequence_files` has it.
    """
    said = read_marker(output.parent)
    return said.made if said is not None and sequence_files(output) else ""


def _ours(place: Path) -> set[str]:
    """The names of the files in a folder that we have written, its marker included."""
    said = read_marker(place)
    if said is None:
        return set()
    numbered = {name: said.names.frame(name) for name in _regular_files(place)}
    ours = {name for name, frame in numbered.items() if frame is not None and frame < said.frames}
    return ours | {MARKER}


class Marker(NamedTuple):
    """What the marker of a folder says.

    Attributes:
        names: of its files.
        frames: how many there are.
        made: who made them.
    """

    names: FrameNames
    frames: int
    made: str


def read_marker(place: Path) -> Marker | None:
    """What the marker of a folder says; None if there is none, or none of ours."""
    try:
        with os.fdopen(open_regular(place / MARKER), "rb") as file:
            said = json.loads(file.read(_MAX_MARKER))
        names, frames, made = FrameNames.parse(said["names"]), said["frames"], str(said["made"])
    except (OSError, OutputPlaceError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if names is None or not isinstance(frames, int) or not 0 <= frames <= _MAX_FRAMES:
        return None
    return Marker(names, frames, made)


def _regular_files(place: Path) -> set[str]:
    with os.scandir(place) as entries:
        return {each.name for each in entries if each.is_file(follow_symlinks=False)}


def _remove(old: Path) -> None:
    """Remove a sequence of ours; what cannot be removed stays: the new one is there."""
    with suppress(OSError):
        for name in _ours(old) - {MARKER}:
            (old / name).unlink()
        (old / MARKER).unlink()
        old.rmdir()
