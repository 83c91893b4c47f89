"""Locks that die with the process that holds them."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from musetalk_fast.errors import OutputBusyError, OutputPlaceError
from musetalk_fast.storage.regular_files import open_regular

LOCK = "lock"
"""Name of the lock file in a folder."""

_MARK = b"musetalk-fast locks this file while it uses the folder\n"
"""What the file says: any program may call a file `lock`."""

_TRIES = 20
_RETRY_SECS = 0.01


def try_lock(descriptor: int) -> bool:
    """Lock an open file for as long as it stays open; False if another process has it.

    True as well where the file system knows no locks. NFS locks only what is open for writing.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
    return True


class FolderLock:
    """A folder for one process alone: a lock file in it that dies with its owner.

    Its owner may remove the file, and the folder with it: the next process makes new ones.

    Args:
        folder: made if need be; its parent is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / LOCK
        self._descriptor = -1

    def acquire(self) -> bool:
        """Lock the folder; False if another process has it.

        Raises:
            OSError: folder or file cannot be made.
            errors.OutputPlaceError: there is no regular file in place of the lock file.
            errors.OutputBusyError: others keep removing the folder.
        """
        for _ in range(_TRIES):
            is_ours = self._try()
            if is_ours is not None:
                return is_ours
            time.sleep(_RETRY_SECS)
        raise OutputBusyError("other processes keep removing this folder", where=str(self._folder))

    @property
    def is_held(self) -> bool:
        """Whether the file that we locked is the one that is there now."""
        try:
            there, ours = self._path.stat(), os.fstat(self._descriptor)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def release(self) -> None:
        """Let others have the folder."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self, empty: Callable[[], bool], is_used: Callable[[], bool]) -> None:
        """Remove the folder, the lock file last.

        The next process makes a new one, and the folder, no longer empty, stays. A process that
        locks nothing may put something into it meanwhile: then the folder is locked and emptied
        again.

        Args:
            empty: removes all else that is in it; False if something must stay.
            is_used: whether another process has begun to use the folder, while it was not locked.

        Raises:
            OSError: something cannot be removed.
        """
        for _ in range(_TRIES):
            if not empty():
                return
            self._path.unlink()
            try:
                self._folder.rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            else:
                return
            self.release()
            if not self.acquire() or is_used():
                return

    def _try(self) -> bool | None:
        """As `acquire`; None if file or folder went meanwhile."""
        if not self._open():
            return None
        is_ours = False
        try:
            if not try_lock(self._descriptor):
                return False
            if not self.is_held:
                return None
            self._mark()
            is_ours = True
        finally:
            if not is_ours:
                self.release()
        return True

    def _mark(self) -> None:
        """Write into a new file whose it is; leave nothing where the disk is full."""
        if os.fstat(self._descriptor).st_size:
            return
        try:
            os.write(self._descriptor, _MARK)
        except OSError:
            self._path.unlink()
            with suppress(OSError):  # there is more in it
                self._folder.rmdir()
            raise

    def _open(self) -> bool:
        """Open the file, made if need be; False if the folder went meanwhile."""
        with suppress(FileExistsError):
            self._folder.mkdir()
        with suppress(FileNotFoundError):
            self._descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT)
            return True
        return False


def is_marked(folder: Path) -> bool:
    """Whether a `FolderLock` made the lock file that is in a folder.

    Raises:
        OSError: it cannot be read.
    """
    try:
        descriptor = open_regular(folder / LOCK)
    except (FileNotFoundError, OutputPlaceError):
        return False
    with os.fdopen(descriptor, "rb") as file:
        return file.read(len(_MARK)) == _MARK
