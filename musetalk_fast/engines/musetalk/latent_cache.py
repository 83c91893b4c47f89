"""Prepared avatars on disk, by what they were made of; bounded, the least recently used go."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from contextlib import suppress
from pathlib import Path

from musetalk_fast.errors import OutputPlaceError
from musetalk_fast.storage import remove_unfinished

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"[0-9a-f]{64}\.safetensors")
_UNFINISHED = re.compile(r"[0-9a-f]{60}\.[0-9a-f]{8}\.tmp")
"""As `AtomicFile` names what it writes in their place."""
_FORMAT = 2
"""Of the files; others are never read."""


def default_latents_dir() -> Path:
    """Where prepared avatars are kept if no folder is named."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("musetalk-fast")) / "latents"


def latents_key(*parts: object) -> str:
    """64 hex digits that stand for everything that decides what is in a file."""
    text = "\n".join(map(str, (_FORMAT, *parts)))
    return hashlib.sha256(text.encode()).hexdigest()


class LatentCache:
    """The folder; several servers may share it.

    Args:
        folder: made if it is not there. Only files that we named are ever removed.
        most: bytes that are kept.

    Raises:
        errors.OutputPlaceError: nothing can be written there.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutputPlaceError(
                f"cannot be made: {error.strerror or error}",
                where=str(folder),
                hint="name a folder that you may write to with --latents-dir",
            ) from error
        if not os.access(folder, os.W_OK):
            raise OutputPlaceError(
                "cannot be written to",
                where=str(folder),
                hint="name a folder that you may write to with --latents-dir",
            )
        remove_unfinished(folder, _UNFINISHED)

    def path(self, key: str) -> Path:
        """Where the file of a key is, or would be."""
        return self._folder / f"{key}.safetensors"

    def touch(self, key: str) -> None:
        """A file was used."""
        with suppress(OSError):
            os.utime(self.path(key))

    def can_keep(self, wanted: int) -> bool:
        """Whether a file of so many bytes may be kept; others would have to go for it."""
        if wanted > self._most:
            _LOG.warning(
                "a prepared avatar of %d MiB is not kept: %s holds %d MiB",
                *(wanted >> 20, self._folder, self._most >> 20),
            )
            return False
        return True

    def make_space(self, wanted: int) -> None:
        """Remove the least recently used files until a new one of so many bytes fits."""
        found = []
        for path in self._folder.iterdir():
            if _NAME.fullmatch(path.name):
                with suppress(OSError):
                    status = path.lstat()
                    found.append((status.st_mtime, status.st_size, path))
        total = wanted + sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._most:
                break
            with suppress(OSError):
                path.unlink()
                total -= size
