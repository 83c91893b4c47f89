"""Checks early whether the output can be written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from musetalk_fast.errors import OutputExistsError, OutputPlaceError
from musetalk_fast.storage import is_mount_point, write_errors
from musetalk_fast.video.containers import frame_names
from musetalk_fast.video.sequence_folder import check_sequence_place


def check_output(
    output: Path,
    format: str | None,  # noqa: A002
    *,
    overwrite: bool,
    inputs: Iterable[Path] = (),
) -> Path:
    """Check early for what would prevent the output from being written.

    Args:
        inputs: what the video is made from, and must not be lost.

    Returns:
        Where it will be written: the output, or what it links to; a sequence in the folder that its
        own links to.

    Raises:
        errors.OutputFormatError: neither format nor name says what to write.
        errors.OutputExistsError: it is there and must not be replaced.
        errors.OutputPlaceError: its place is a folder or cannot be replaced, its folder is missing
            or closed to us, its links lead nowhere, or it is one of the inputs.
    """
    if frame_names(output, format) is not None:
        return _check_sequence(output, overwrite=overwrite, inputs=inputs)
    with write_errors(output):
        _check_no_pipe(output)
        output = _linked(output)
        if output.exists() and any(each.exists() and output.samefile(each) for each in inputs):
            raise OutputPlaceError("this is one of the inputs", where=str(output))
        if output.is_dir():
            hint = "name a file, such as " + str(output / "video.mp4")
            raise OutputPlaceError("this is a folder", where=str(output), hint=hint)
        _check_folder(output.parent)
        if output.exists():
            _check_replaceable(output, overwrite=overwrite)
    return output


def _check_no_pipe(output: Path) -> None:
    """Refuse a pipe or a device, whatever leads to it: /dev/stdout is a link that names no file."""
    if output.exists() and not output.is_file() and not output.is_dir():
        message = "this is a pipe or a device, not a regular file"
        hint = "name a file; -o - writes to standard output, which may be a pipe"
        raise OutputPlaceError(message, where=str(output), hint=hint)


def _check_folder(folder: Path) -> None:
    """Whether something can be written into a folder."""
    if not folder.is_dir():
        hint = "make the folder, or correct the path"
        raise OutputPlaceError("no such folder", where=str(folder), hint=hint)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputPlaceError("no permission to write here", where=str(folder))


def _check_sequence(output: Path, *, overwrite: bool, inputs: Iterable[Path]) -> Path:
    """Whether the folder of a sequence can appear, or be replaced."""
    with write_errors(output.parent):
        place = _linked(output.parent)
        if place.absolute() == Path.cwd() or place.name in ("", ".."):
            hint = f"give it a folder of its own: frames/{output.name}"
            raise OutputPlaceError("a sequence is a whole folder", where=str(output), hint=hint)
        if any(place.absolute() in (each.absolute(), *each.absolute().parents) for each in inputs):
            raise OutputPlaceError("one of the inputs is in this folder", where=str(place))
        _check_folder(place.parent)
    check_sequence_place(place, overwrite=overwrite)
    return place / output.name


def _linked(output: Path) -> Path:
    """What a link names, whether it is there or not; what is no link stays as it is."""
    if not output.is_symlink():
        return output
    try:
        target = output.resolve()
    except RuntimeError:  # before Python 3.13
        target = output
    if target.is_symlink():
        hint = "remove the link, or give another name"
        raise OutputPlaceError("this link leads back to itself", where=str(output), hint=hint)
    return target


def _check_replaceable(output: Path, *, overwrite: bool) -> None:
    """Whether the finished video can be moved onto a file."""
    if not overwrite:
        raise OutputExistsError("this file exists", where=str(output))
    if is_mount_point(output):
        hint = "give another name, or mount the folder instead of the file"
        raise OutputPlaceError(
            "something is mounted on this file: it cannot be replaced", where=str(output), hint=hint
        )
    file, folder, user = output.stat(), output.parent.stat(), os.geteuid()
    is_writable = file.st_uid == user and file.st_mode & stat.S_IWUSR
    if is_writable and not os.access(output, os.W_OK):
        hint = "give another name, or remove the attribute: chattr -i FILE"
        raise OutputPlaceError("this file is immutable", where=str(output), hint=hint)
    # In a sticky folder, such as /tmp, only the owner of a file may replace it (or root).
    if folder.st_mode & stat.S_ISVTX and user not in (0, folder.st_uid, file.st_uid):
        raise OutputPlaceError(
            "this file belongs to another user, and its folder lets only that user replace it",
            where=str(output),
            hint="give another name, or remove the file as its owner",
        )
