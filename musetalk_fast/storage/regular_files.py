"""Opens regular files only: never what a link names, and never a pipe that would block."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from musetalk_fast.errors import OutputPlaceError

_AT_ONCE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_REGULAR = (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO)
"""What opening says of a link (EMLINK on some systems), a folder, and a pipe or a socket."""


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
    """Open a regular file without a wait; the descriptor.

    Args:
        flags, mode: as `os.open` has them.

    Raises:
        errors.OutputPlaceError: a link, a folder, a pipe or a device is there.
        OSError: as `os.open`.
    """
    try:
        descriptor = os.open(path, flags | _AT_ONCE, mode)
    except OSError as error:
        if error.errno in _NOT_REGULAR:
            raise not_regular(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise not_regular(path)
    return descriptor


def check_regular(path: Path) -> None:
    """Refuse what is there and is no regular file; for files that others open by name.

    Raises:
        errors.OutputPlaceError: a link, a folder, a pipe or a device is there.
        OSError: it cannot be found out.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise not_regular(path)


def not_regular(path: Path) -> OutputPlaceError:
    """The error for a link, a folder, a pipe or a device in place of a file of ours."""
    kind = "a link" if path.is_symlink() else "no regular file"
    return OutputPlaceError(
        f"this is {kind}", where=str(path), hint="remove it, or give the output another name"
    )
