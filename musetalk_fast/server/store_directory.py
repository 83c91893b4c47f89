"""Where a server keeps its assets: a persistent directory, or one removed with the process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.errors import UsageError
from musetalk_fast.storage import FolderLock, make_temporary_folder


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
