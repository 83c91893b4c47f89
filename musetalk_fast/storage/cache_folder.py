"""Where compiled code is kept: a folder of ours, or nowhere.

Numba loads cached code by unpickling it, so a folder that someone else owns or may write to is
never used; neither is the package's own folder, which is often read-only.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_FOLDER = "numba"
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def find_cache_folder() -> Path | None:
    """The first usable of `NUMBA_CACHE_DIR`, the user's cache folder and a private temporary one.

    Returns:
        A folder that exists, is ours and takes files; None if there is none.
    """
    return next((folder for folder in _candidates() if _is_usable(folder)), None)


def _candidates() -> Iterator[Path]:
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        yield Path(named)
    import platformdirs

    with suppress(RuntimeError):  # no home folder: HOME is unset, and nobody knows this user
        yield Path(platformdirs.user_cache_dir("musetalk-fast")) / _FOLDER
    with suppress(OSError):
        yield Path(tempfile.gettempdir()) / f"musetalk-fast-{os.getuid()}" / _FOLDER


def _is_usable(folder: Path) -> bool:
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if not (_is_ours(folder) and _is_safe_parent(folder.parent)):
            return False
        with tempfile.TemporaryFile(dir=folder):  # only whether it can be made
            return True
    except OSError:
        return False


def _is_ours(folder: Path) -> bool:
    """A real folder (no link) of this user, that no other user may write to."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return False
    return found.st_uid == os.getuid() and not found.st_mode & _OTHERS_MAY_WRITE


def _is_safe_parent(folder: Path) -> bool:
    """Nobody else may swap the folder inside: not theirs, and not writable to them (or sticky)."""
    found = folder.stat()
    owned = found.st_uid in (os.getuid(), 0)
    return owned and (not found.st_mode & _OTHERS_MAY_WRITE or bool(found.st_mode & stat.S_ISVTX))
