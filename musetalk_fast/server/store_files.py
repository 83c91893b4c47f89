"""The files of an asset store's folder: which are ours, and whether their bytes are right.

Whoever shares the folder may put anything there: links, pipes, folders. What is not ours is neither
followed nor removed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from musetalk_fast.errors import OutputPlaceError
from musetalk_fast.storage import open_regular, try_lock
from musetalk_fast.threads import CancelFlag

DRAFT = ".draft-"
"""Begins the name of a folder in which an asset is made."""

_ASSET = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = re.compile(r"[0-9a-f]{60,64}\.[0-9a-f]{8}\.tmp")
_DRAFT = re.compile(r"\.draft-[0-9a-z_]{8}")
_BLOCK = 1 << 20
_LOST = frozenset(
    {
        *{errno.ENOENT, errno.EIO, errno.EBADMSG, getattr(errno, "EUCLEAN", errno.EIO)},
        *{errno.EACCES, errno.EPERM},
    }
)
"""Of a file that has gone, that the disk has lost, or that we may not read: a new one mends it."""


class Asset(NamedTuple):
    """An asset that an earlier server left."""

    name: str
    size: int


class FileState(NamedTuple):
    """What changes when a file is written: other values, other bytes."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def scan(folder: Path) -> list[Asset]:
    """The assets in a folder, the oldest first; what crashes left beside them is removed."""
    found: list[tuple[float, Asset]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and _ASSET.fullmatch(entry.name):
                    found.append((status.st_mtime, Asset(entry.name, status.st_size)))
                elif stat.S_ISREG(status.st_mode) and _UNFINISHED.fullmatch(entry.name):
                    _remove_unfinished(Path(entry.path))
                elif stat.S_ISDIR(status.st_mode) and _DRAFT.fullmatch(entry.name):
                    shutil.rmtree(entry.path, ignore_errors=True)
    return [asset for _, asset in sorted(found)]


def is_foreign(path: Path) -> bool:
    """Whether something that no store puts there has an asset's name."""
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def state_of(path: Path) -> FileState | None:
    """The state of an asset's file; None if there is none, or something else in its place."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return _state(status) if stat.S_ISREG(status.st_mode) else None


def verified_state(path: Path, name: str, flag: CancelFlag) -> FileState | None:
    """Read an asset's file and compare; in a thread.

    Returns:
        Its state before it was read; None if its bytes are not those of the name.

    Raises:
        AbandonedError: the flag was set.
        OSError: it cannot be read now, and may be whole: too many files are open.
    """
    try:
        with FileIO(open_regular(path)) as file:
            status = os.fstat(file.fileno())
            digest = _digest(iter(lambda: file.read(_BLOCK), b""), flag)
    except OutputPlaceError:
        return None
    except OSError as error:
        if error.errno in _LOST:
            return None
        raise
    return _state(status) if digest == name else None


def remove_asset(path: Path) -> None:
    """Remove an asset's file; what else has its name stays."""
    with suppress(OSError):
        if not is_foreign(path):
            path.unlink(missing_ok=True)


def _digest(blocks: Iterator[bytes], flag: CancelFlag) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        flag.check()
        digest.update(block)
    return digest.hexdigest()


def _state(status: os.stat_result) -> FileState:
    return FileState(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _remove_unfinished(path: Path) -> None:
    """Remove a file that no process is writing; those of other users stay."""
    with suppress(OSError), path.open("r+b") as file:  # NFS locks only what is open for writing
        if try_lock(file.fileno()):
            path.unlink(missing_ok=True)
