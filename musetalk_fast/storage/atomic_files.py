"""Files that appear atomically."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import TypeAlias

from musetalk_fast.errors import OutputPlaceError, OutputWriteError
from musetalk_fast.storage.locks import try_lock
from musetalk_fast.storage.regular_files import open_regular
from musetalk_fast.system_limits import limit_error

_UNFINISHED = re.compile(r".+\.[0-9a-f]{8}\.tmp", re.DOTALL)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
_MAX_STEM = 60
"""A name has at most 255 bytes, of which a character may take four, and our ending 13."""

ErrorContext: TypeAlias = Callable[[Path], AbstractContextManager[None]]
"""A context for writing a path that raises an error of ours in place of any `OSError`."""


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Raise an error of ours where writing `path` fails.

    Raises:
        errors.OutputPlaceError: the system does not take so long a name.
        errors.FileLimitError: we have too many files open.
        errors.OutputWriteError: in place of any other `OSError`, PyAV's own included.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise OutputPlaceError(
                "the name is too long", where=str(path), hint="give a shorter name"
            ) from error
        reason = error.strerror or str(error)
        failed = OutputWriteError(f"cannot be written: {reason}", where=str(path))
        raise limit_error(error) or failed from error


class AtomicFile:
    """A file that is written under another name and moved to its place when it is done.

    As a context it is discarded on exit, unless it was moved.

    The name is its own, so that two processes may write the same file: the last one stays. A
    lock that dies with its owner distinguishes a file being written from one that a crash left.

    Args:
        path: its place; what is there stays until `commit`.
        folder: where it is written, on the same file system; None: beside its place.
        error_context: what becomes of an `OSError` here and in every method.
        mode: the file's permissions, less the umask.

    Raises:
        errors.OutputWriteError: it is not permitted; or what `error_context` makes of it.
    """

    def __init__(
        self,
        path: Path,
        folder: Path | None = None,
        error_context: ErrorContext = write_errors,
        mode: int = 0o666,
    ) -> None:
        self.path = path
        self._error_context = error_context
        name = f"{path.name[:_MAX_STEM]}.{secrets.token_hex(4)}.tmp"
        self.unfinished = (folder or path.parent) / name
        with error_context(path):
            descriptor = os.open(self.unfinished, _NEW, mode)
            # Unbuffered: closing must not try again to write what a full disk refused.
            self._file = FileIO(descriptor, "w")
            try:
                try_lock(descriptor)
            except BaseException:
                self.discard()
                raise

    def __enter__(self) -> AtomicFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    @property
    def url(self) -> str:
        """The unfinished file for FFmpeg, which takes `a:b.mp4` for a protocol named a."""
        return f"file:{self.unfinished}"

    def write(self, content: bytes) -> None:
        """Write from here, rather than through FFmpeg.

        Raises:
            errors.OutputWriteError: the disk is full or the folder gone.
        """
        with self._error_context(self.path):
            remaining = memoryview(content)
            while remaining:
                remaining = remaining[self._file.write(remaining) :]

    def write_at(self, offset: int, content: bytes) -> None:
        """Overwrite what is at an offset; `write` continues at the end.

        Raises:
            errors.OutputWriteError: the disk is full or the folder gone.
        """
        with self._error_context(self.path):
            self._file.seek(offset)
            self.write(content)
            self._file.seek(0, os.SEEK_END)

    def append(self, content: bytes) -> None:
        """Write behind what is there, FFmpeg's part of it included.

        Raises:
            errors.OutputWriteError: the disk is full or the folder gone.
        """
        with self._error_context(self.path):
            self._file.seek(0, os.SEEK_END)
            self.write(content)

    def sync(self) -> int:
        """Make what is written safe from a power cut; its size in bytes.

        Raises:
            errors.OutputWriteError: the disk is full or the folder gone.
        """
        with self._error_context(self.path):
            os.fsync(self._file.fileno())
            return self._file.seek(0, os.SEEK_END)

    def publish(self) -> None:
        """Move the file to its place without a wait for the disk; a power cut may undo it.

        Raises:
            errors.OutputWriteError: the folder is gone.
        """
        with self._error_context(self.path), self._file:
            self.unfinished.replace(self.path)

    def commit(self) -> int:
        """Move the file to its place, safe from a power cut; its size in bytes.

        Raises:
            errors.OutputWriteError: the disk is full or the folder gone.
        """
        size = self.sync()
        self.publish()
        with self._error_context(self.path):
            sync_folder(self.path.parent)
        return size

    def commit_if_absent(self) -> int | None:
        """As `commit`, unless a file is there already: then it stays, and the answer is None.

        Raises:
            errors.OutputWriteError: the disk is full or the folder gone.
        """
        size = self.sync()
        with self._error_context(self.path), self._file:
            is_first = move_if_absent(self.unfinished, self.path)
            self.unfinished.unlink(missing_ok=True)
            sync_folder(self.path.parent)
        return size if is_first else None

    def discard(self) -> None:
        """Remove the unfinished file; after `commit` there is none."""
        with self._error_context(self.path):
            self._file.close()
            self.unfinished.unlink(missing_ok=True)


def is_unfinished(name: str) -> bool:
    """Whether a file of this name is one that an `AtomicFile` has not finished."""
    return _UNFINISHED.fullmatch(name) is not None


def remove_unfinished(folder: Path, names: re.Pattern[str] = _UNFINISHED) -> None:
    """Remove what crashes left in a folder: unfinished files that no process is writing.

    Those that we may not write belong to another user, and stay.

    Args:
        names: of those that are ours, entire, where others may keep files of any name.

    Raises:
        errors.OutputWriteError: the directory does not permit it.
    """
    with write_errors(folder):
        for path in folder.iterdir():
            if names.fullmatch(path.name):
                with suppress(FileNotFoundError, PermissionError, OutputPlaceError):
                    _remove_unlocked(path)


def _remove_unlocked(path: Path) -> None:
    # NFS locks only what is open for writing.
    with os.fdopen(open_regular(path, os.O_RDWR), "r+b") as file:
        if try_lock(file.fileno()):
            path.unlink(missing_ok=True)


def sync_file(path: Path) -> int:
    """Make a finished file safe from a power cut; its size in bytes.

    Raises:
        OSError: the disk is full or fails.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return file.seek(0, os.SEEK_END)


def move_if_absent(path: Path, target: Path) -> bool:
    """Rename a file, unless the new name exists: whether it was renamed.

    Raises:
        OSError: it cannot be renamed.
    """
    try:
        os.link(path, target)
    except FileExistsError:
        return False
    except OSError as error:
        # A file system without links: between these two lines another may be first.
        if error.errno not in _NO_LINKS or target.exists():
            raise
        path.replace(target)
    return True


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
