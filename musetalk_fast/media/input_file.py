"""Input files: checked, bounded, and identified by their hash."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from musetalk_fast.errors import InputNotFoundError, InputUnreadableError

_BLOCK = 1 << 20


def open_input(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        errors.InputNotFoundError: there is none.
        errors.InputUnreadableError: a folder, a pipe or a device, or no permission.
    """
    try:
        # Asked before opening: a pipe without a writer would block us forever.
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputUnreadableError("this is a folder", where=str(path))
        if not stat.S_ISREG(mode):
            raise InputUnreadableError("this is not a regular file", where=str(path))
        return path.open("rb")
    except FileNotFoundError:
        raise InputNotFoundError("no such file", where=str(path)) from None
    except (OSError, ValueError) as error:
        # ValueError: a NUL in the name.
        raise unreadable(path, error) from error


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Raise an error of ours where reading `path` fails.

    Raises:
        errors.InputUnreadableError: in place of any `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError | ValueError) -> InputUnreadableError:
    """The error that says why a file cannot be read."""
    reason = getattr(error, "strerror", None) or str(error)
    return InputUnreadableError(f"cannot be read: {reason}", where=str(path))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as 64 hex digits, read in blocks.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: as `open_input`.
    """
    digest = hashlib.sha256()
    with open_input(path) as file, read_errors(path):
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
