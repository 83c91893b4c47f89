"""Reads a file for FFmpeg through callbacks that never raise inside FFmpeg."""

from __future__ import annotations

import errno
import os
import threading
from typing import BinaryIO

reading_ends = threading.Event()
"""Set when the process is about to end: from now on, every file is one that cannot be read."""


class AvioFile:
    """Reads and seeks a file for PyAV.

    A seek to nowhere, as a damaged file asks for, fails as FFmpeg expects it to fail; and where
    the system cannot read, the file ends and `error` holds what the system said.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.name = str(file.name)
        """PyAV gives it to FFmpeg, which takes the extension for a hint at the format."""
        self.error: OSError | None = None

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        if reading_ends.is_set():
            self.error = InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
            return b""
        try:
            return self._file.read(size)
        except OSError as error:
            self.error = error
            return b""

    def seek(self, offset: int, whence: int) -> int:
        """The new position; -1 where there is none."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -1

    def tell(self) -> int:
        """The position."""
        return self._file.tell()
