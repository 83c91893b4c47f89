"""What stands at a path of a models folder, or an error where nobody lets us look."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from musetalk_fast.errors import WeightsMissingError

_NOTHING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


_CLOSED_HINT = (
    "permit this user to read the folder and its files, or name another one with --models-dir"
)


def cannot_be_read(path: Path, error: OSError) -> WeightsMissingError:
    """The error for what is refused to us, or fails."""
    hint = _CLOSED_HINT if isinstance(error, PermissionError) else None
    reason = error.strerror or str(error)
    return WeightsMissingError(f"cannot be read: {reason}", where=str(path), hint=hint)


def status_of(path: Path) -> os.stat_result | None:
    """The status of what a path or a link leads to; None: of nothing.

    Raises:
        errors.WeightsMissingError: a folder on the way lets nobody look. `Path.is_file` raises a
            `PermissionError` then, or says that nothing is there: that depends on Python's version.
    """
    try:
        return path.stat()
    except OSError as error:
        if error.errno in _NOTHING:
            return None
        raise cannot_be_read(path, error) from error
    except ValueError:  # a name that no file can have
        return None


def is_folder(path: Path) -> bool:
    """Whether a folder is there; raises as `status_of`."""
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def file_size(path: Path) -> int | None:
    """Bytes of a regular file; None: there is none; raises as `status_of`."""
    status = status_of(path)
    return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else None


def is_file(path: Path) -> bool:
    """Whether a regular file is there, or a link to one; raises as `status_of`."""
    return file_size(path) is not None
