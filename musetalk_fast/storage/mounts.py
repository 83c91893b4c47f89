"""Whether a file can be moved from one folder to another by renaming it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

_MOUNT = re.compile(r"^mnt_id:\s*(\d+)$", re.MULTILINE)
_BY_NAME = getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC
"""O_PATH: opens nothing, so that no permission is needed and no pipe blocks."""


def is_mount_point(path: Path) -> bool:
    """Whether something is mounted on a file or folder: nothing can be renamed onto or across it.

    Between two mounts of one file system a rename fails as well. False where the system does not
    say.

    Raises:
        OSError: it is not there.
    """
    return _mount_of(path, os.O_NOFOLLOW) != _mount_of(path.parent)


def _mount_of(path: Path, flags: int = 0) -> int | None:
    """The number of the mount that a path is on; None where the system does not say."""
    if not hasattr(os, "O_PATH"):
        return None
    descriptor = os.open(path, _BY_NAME | flags)
    try:
        with suppress(OSError):
            found = _MOUNT.search(Path(f"/proc/self/fdinfo/{descriptor}").read_text())
            return int(found[1]) if found else None
    finally:
        os.close(descriptor)
    return None
