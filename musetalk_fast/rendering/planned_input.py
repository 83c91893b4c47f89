"""An input must be, to the end, the file that its plan was made for."""

from __future__ import annotations

from pathlib import Path

from musetalk_fast.errors import PlanError
from musetalk_fast.media.input_file import file_sha256, read_errors

_State = tuple[int, int, int, int, int]


class PlannedInput:
    """A file by the hash that its plan has.

    Args:
        sha256: of its bytes, in hexadecimal.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        self._path = path
        self._sha256 = sha256
        self._known: _State | None = None

    def check(self) -> None:
        """Refuse another content; a file that nobody has touched since is not read again.

        Raises:
            errors.InputNotFoundError, errors.InputUnreadableError: it cannot be read.
            errors.PlanError: it has changed.
        """
        # Before the hash: what is written while it is read counts as a change the next time.
        state = self._state()
        if state is not None and state == self._known:
            return
        if file_sha256(self._path) != self._sha256:
            raise has_changed(self._path)
        self._known = state

    def _state(self) -> _State | None:
        """Changes with every write, rename and replacement: no program can set a ctime."""
        with read_errors(self._path):
            try:
                found = self._path.stat()
            except FileNotFoundError:
                return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def has_changed(path: Path) -> PlanError:
    """The error for an input that is not the one its plan was made for."""
    return PlanError(
        "it has changed since the plan was made",
        where=str(path),
        hint="put the original file back, or run `render` (or `plan`) again for the file as it is",
    )
