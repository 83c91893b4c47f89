"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musetalk_fast.errors import OutputWriteError


class NewFile:
    """A file that is written beside its place and moved there when it is done.

    Args:
        path: its place; what is there stays until `commit`.

    Raises:
        errors.OutputWriteError: the folder does not let us.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unfinished = path.with_name(path.name + ".tmp")
        with write_errors(path):
            self.unfinished.open("wb").close()

    @property
    def url(self) -> str:
        """The unfinished file for FFmpeg, which takes `a:b.mp4` for a protocol named a."""
        return f"file:{self.unfinished}"

    def commit(self) -> int:
        """Move the file to its place, safe from a power cut; its size in bytes.

        Raises:
            errors.OutputWriteError: the disk is full or the folder gone.
        """
        with write_errors(self.path):
            with self.unfinished.open("rb+") as file:
                os.fsync(file.fileno())
                size = file.seek(0, os.SEEK_END)
            self.unfinished.replace(self.path)
            _sync_folder(self.path.parent)
            return size

    def discard(self) -> None:
        """Remove the unfinished file; after `commit` there is none."""
        with write_errors(self.path):
            self.unfinished.unlink(missing_ok=True)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Tell what the system says about writing `path` in our words.

    Raises:
        errors.OutputWriteError: in place of any `OSError`, PyAV's own included.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputWriteError(f"cannot be written: {reason}", where=str(path)) from error


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder outlive a power cut, where folders can be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
