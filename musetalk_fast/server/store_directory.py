"""Where a server keeps its assets: a folder that stays, or one that goes with the process."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.errors import UsageError


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
        raise UsageError(
            f"the store folder cannot be used: {error.strerror}", where=str(folder)
        ) from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UsageError(
            "another server uses this store folder",
            where=str(folder),
            hint="give each server its own --store-dir",
        ) from error
    finally:
        os.close(descriptor)
