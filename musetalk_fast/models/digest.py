"""Digests of files: SHA-256, or Git blob names for small files."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from musetalk_fast.engines.musetalk.file_status import cannot_be_read
from musetalk_fast.errors import WeightsMissingError

CHUNK_BYTES = 4 << 20
SHA256_DIGITS, GIT_DIGITS = 64, 40

OnBytes = Callable[[int], None]
"""Called with the bytes that were read; raises where the work is cancelled."""


class Hasher(Protocol):
    """What `hashlib` has."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more content."""

    def hexdigest(self) -> str:
        """The digest of all so far."""


@dataclass(frozen=True, slots=True)
class ContentName:
    """What the hub says that a file's content is.

    Attributes:
        etag: SHA-256 of a file in its large file storage; else the name of the Git blob, SHA-1.
        size: bytes.
    """

    etag: str
    size: int

    def hashers(self) -> tuple[Hasher, ...]:
        """The first one's digest is `etag` after the whole content, the last one's the SHA-256."""
        if len(self.etag) == SHA256_DIGITS:
            return (hashlib.sha256(),)
        # Not for safety: this is how Git names a blob.
        blob = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        return blob, hashlib.sha256()

    def __str__(self) -> str:
        kind = "sha256" if len(self.etag) == SHA256_DIGITS else "git"
        return f"{kind} {self.etag[:12]}"


def feed(
    path: Path, hashers: tuple[Hasher, ...], on_bytes: OnBytes, most: int | None = None
) -> int:
    """Read a file into hashers; how many bytes there were.

    Args:
        most: stop after so many.

    Raises:
        errors.WeightsMissingError: it cannot be read.
    """
    count = 0
    try:
        with os.fdopen(_open(path), "rb", buffering=0) as file:
            while data := file.read(
                CHUNK_BYTES if most is None else min(CHUNK_BYTES, most - count)
            ):
                for hasher in hashers:
                    hasher.update(data)
                count += len(data)
                on_bytes(len(data))
    except OSError as error:
        raise cannot_be_read(path, error) from error
    return count


def _uncounted(_count: int) -> None:
    pass


def sha256_of(path: Path, on_bytes: OnBytes = _uncounted) -> str:
    """SHA-256 of a file in hexadecimal.

    Raises:
        errors.WeightsMissingError: it cannot be read.
    """
    hasher = hashlib.sha256()
    feed(path, (hasher,), on_bytes)
    return hasher.hexdigest()


def _open(path: Path) -> int:
    """Open what a name or a link leads to, without a wait for a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise WeightsMissingError("no regular file", where=str(path))
    return descriptor
