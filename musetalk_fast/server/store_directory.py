"""Where a server keeps its assets: a persistent directory, or one removed with the process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.errors import UsageError
from musetalk_fast.storage import FolderLock, make_temporary_folder
from musetalk_fast.system_limits import limit_error


@dataclass(frozen=True, slots=True)
class StoreDirectory:
    """The directory of the assets, locked by this process.

    Attributes:
        path: of the assets.
        runtime_dir: removed with the process, the assets in it; None: everything is kept.
    """

    path: Path
    runtime_dir: Path | None = None

    def leave(self) -> None:
        """Remove the runtime directory."""
        if self.runtime_dir is not None:
            shutil.rmtree(self.runtime_dir, ignore_errors=True)


@contextmanager
def store_directory(folder: Path | None, runtime_dir: Path | None) -> Iterator[StoreDirectory]:
    """Lock the directory of the assets while the context is open.

    Args:
        folder: a persistent one; None: one in `runtime_dir`.
        runtime_dir: removed with the process; None: a new one.

    Raises:
        UsageError: the directory cannot be used, or another server uses it.
        errors.OutputPlaceError: no temporary one can be made.
    """
    if folder is None:
        # No other process knows its name: there is nothing to lock.
        parent = runtime_dir or make_temporary_folder("musetalk-store-")
        temporary = StoreDirectory(parent / "store", parent)
        try:
            yield temporary
        finally:
            temporary.leave()
        return
    with folder_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _held(folder):
        yield StoreDirectory(folder)


@contextmanager
def folder_errors(folder: Path) -> Iterator[None]:
    """What the system says of the directory becomes an error that names it.

    Raises:
        UsageError: it cannot be used.
        errors.FileLimitError, errors.MemoryLimitError: that is not its fault.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        unusable = UsageError(f"the store folder cannot be used: {reason}", where=str(folder))
        raise limit_error(error) or unusable from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    lock = FolderLock(folder)
    with folder_errors(folder):
        is_ours = lock.acquire()
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
