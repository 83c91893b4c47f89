"""An input must be, to the end, the file that its plan was made for."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TypeAlias

from musetalk_fast.errors import PlanError
from musetalk_fast.media.image_sequence import input_sha256

FileState: TypeAlias = tuple[int, int, int, int, int]
"""Changes with every write, rename and replacement of a file: no program can set a ctime."""


def file_state(path: Path) -> FileState | None:
    """The state that a file is in; None if it cannot be found out, as of a folder's files."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class PlannedInput:
    """A file by the hash that its plan has.

    Args:
        sha256: of its bytes, in hexadecimal.
        known: its state before it was hashed; None: it shall be hashed again.
    """

    def __init__(self, path: Path, sha256: str, known: FileState | None = None) -> None:
        self._path = path
        self._sha256 = sha256
        self._known = known

    def check(self) -> None:
        """Refuse another content; a file that nobody has touched since is not read again.

        Raises:
            errors.InputNotFoundError, errors.InputUnreadableError: it cannot be read.
            errors.PlanError: it has changed.
        """
        # Before the hash: what is written while it is read counts as a change the next time.
        state = file_state(self._path)
        if state is not None and state == self._known:
            return
        if input_sha256(self._path) != self._sha256:
            raise has_changed(self._path)
        self._known = state


def has_changed(path: Path) -> PlanError:
    """The error for an input that is not the one its plan was made for."""
    return PlanError(
        "it has changed since the plan was made",
        where=str(path),
        hint="put the original file back, or run `render` (or `plan`) again for the file as it is",
    )
