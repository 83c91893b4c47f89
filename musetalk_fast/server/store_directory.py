"""Where a server keeps its assets: a folder that stays, or one that goes with the process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.errors import UsageError
from musetalk_fast.storage import FolderLock


@dataclass(frozen=True, slots=True)
class StoreDirectory:
    """The folder of the assets, held by this process alone.

    Attributes:
        path: of the assets.
        home: what goes with the process, the assets in it; None: everything stays.
    """

    path: Path
    home: Path | None = None

    def leave(self) -> None:
        """Remove what goes with the process."""
        if self.home is not None:
            shutil.rmtree(self.home, ignore_errors=True)


@contextmanager
def store_directory(folder: Path | None, home: Path | None) -> Iterator[StoreDirectory]:
    """Hold the folder of the assets while the context is open.

    Args:
        folder: one that stays; None: one in `home`.
        home: one that goes with the process; None, too: a new one.

    Raises:
        UsageError: the folder cannot be used, or another server uses it.
    """
    if folder is None:
        # Nobody else knows its name: there is nothing to lock.
        place = home or Path(tempfile.mkdtemp(prefix="musetalk-store-"))
        temporary = StoreDirectory(place / "store", place)
        try:
            yield temporary
        finally:
            temporary.leave()
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _held(folder):
            yield StoreDirectory(folder)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise _unusable(folder, error) from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    lock = FolderLock(folder)
    try:
        is_ours = lock.acquire()
    except OSError as error:
        raise _unusable(folder, error) from error
    if not is_ours:
        raise UsageError(
            "another server uses this store folder",
            where=str(folder),
            hint="give each server its own --store-dir",
        )
    try:
        yield
    finally:
        lock.release()


def _unusable(folder: Path, error: OSError) -> UsageError:
    return UsageError(f"the store folder cannot be used: {error.strerror}", where=str(folder))
