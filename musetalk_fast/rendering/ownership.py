"""Which folder beside an output is a job directory of ours, and which of its entries are."""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

from musetalk_fast.errors import OutputPlaceError
from musetalk_fast.storage import (
    LOCK,
    check_regular,
    is_marked,
    is_mount_point,
    is_unfinished,
    write_errors,
)
from musetalk_fast.video.encoder_settings import PART_SUFFIXES

PLAN = "plan.json"
FACES = "faces.bin"
SCRATCH = "work"

_PART = re.compile(rf"\d{{8}}({'|'.join(map(re.escape, PART_SUFFIXES))})")
_NFS_LEFT = ".nfs"
"""NFS gives such a name to a removed file for as long as it is open."""

_TRIES = 20
_RETRY_SECS = 0.01
_MAX_NAMED = 3
_HINT = "move it away, or give the output another name"


def is_part(name: str) -> bool:
    """Whether a file of this name is the part of a segment."""
    return _PART.fullmatch(name) is not None


def is_content(name: str) -> bool:
    """Whether a file of this name is part, plan or faces of a render, finished or not."""
    return is_part(name) or name in (PLAN, FACES) or is_unfinished(name)


def foreign(names: list[str]) -> list[str]:
    """Those of a directory's names that no render gave."""
    ours = (LOCK, SCRATCH)
    return [each for each in names if not (is_content(each) or each in ours)]


def check_entries(path: Path) -> None:
    """Refuse a job directory that is a link, or has one in place of a file of ours.

    Raises:
        errors.OutputPlaceError: likewise for pipes, devices, and files in place of folders.
        errors.OutputWriteError: it cannot be listed.
    """
    with write_errors(path):
        if not _check_folder(path):
            return
        for name in listed(path):
            if name == SCRATCH:
                _check_folder(path / name)
            elif name == LOCK or is_content(name):
                check_regular(path / name)


def check_ours(path: Path, is_plan: Callable[[], bool]) -> None:
    """Refuse a folder that no render made, unless it is empty.

    Args:
        is_plan: whether the folder's plan is one that we wrote.

    Raises:
        errors.OutputPlaceError: it is not ours, or as `check_entries`.
        errors.OutputWriteError: it cannot be listed.
    """
    check_entries(path)
    with write_errors(path):
        for _ in range(_TRIES):
            names = listed(path)
            if _is_ours(path, names, is_plan):
                return
            if others := foreign(names):
                raise _not_ours(path, others)
            time.sleep(_RETRY_SECS)  # another process may be removing it: its lock goes last
    raise _not_ours(path, names)


def check_mount(path: Path) -> None:
    """Refuse a job directory that nothing can be renamed out of.

    Raises:
        errors.OutputPlaceError: it is on another file system than the output.
        errors.OutputWriteError: that cannot be found out.
    """
    with write_errors(path):
        if is_mount_point(path):
            message = "this folder is on another file system than the output"
            raise OutputPlaceError(message, where=str(path), hint=_HINT)


def listed(path: Path) -> list[str]:
    """The names in a folder, sorted; none if it is not there."""
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except FileNotFoundError:
        return []
    return [name for name in names if not name.startswith(_NFS_LEFT)]


def _is_ours(path: Path, names: list[str], is_plan: Callable[[], bool]) -> bool:
    if not names or is_marked(path):
        return True
    if names == [LOCK]:
        return _is_empty(path / LOCK)
    return PLAN in names and is_plan()


def _is_empty(lock: Path) -> bool:
    """Whether it is of a process that begins: it has made the file, and not marked it yet."""
    try:
        return lock.lstat().st_size == 0
    except FileNotFoundError:
        return False


def _check_folder(path: Path) -> bool:
    """Whether a real folder is there; refuses anything else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        return True
    what = "a link, not a folder" if stat.S_ISLNK(mode) else "not a folder"
    raise OutputPlaceError(f"this is {what}", where=str(path), hint=_HINT)


def _not_ours(path: Path, names: list[str]) -> OutputPlaceError:
    named = ", ".join(names[:_MAX_NAMED]) + (", ..." if len(names) > _MAX_NAMED else "")
    message = f"no render made this folder, in which its files would go; it holds {named}"
    return OutputPlaceError(message, where=str(path), hint=_HINT)
