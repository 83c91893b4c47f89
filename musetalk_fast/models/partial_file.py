"""A file that is being downloaded: beside its place, kept when the download is interrupted."""

from __future__ import annotations

import os
from pathlib import Path

from musetalk_fast.models.digest import ContentName, Hasher, OnBytes, feed
from musetalk_fast.storage import move_if_absent, open_regular, sync_folder, write_errors

_DIGITS = 12


def partial_path(target: Path, name: ContentName) -> Path:
    """`unet.pth.0123456789ab.part`: of one content only, so that no other one is continued."""
    return target.with_name(f"{target.name}.{name.etag[:_DIGITS]}.part")


def partial_bytes(target: Path, name: ContentName) -> int:
    """How much of a file an interrupted download has left."""
    path = partial_path(target, name)
    try:
        return path.lstat().st_size
    except OSError:
        return 0


class PartialFile:
    """The bytes of a file so far, and their digest. For one thread at a time.

    Args:
        target: its place; nothing is written there before the content is whole and right.

    Raises:
        errors.OutputPlaceError: something else has the name of the unfinished file.
        errors.OutputWriteError: it cannot be made.
    """

    def __init__(self, target: Path, name: ContentName) -> None:
        self._target = target
        self._name = name
        self._path = partial_path(target, name)
        self._hashers: tuple[Hasher, ...]
        self._forget()
        with write_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT)

    def load(self, on_bytes: OnBytes) -> None:
        """Take what an earlier download has left; more than the file can have is dropped.

        Raises:
            errors.WeightsMissingError: it cannot be read.
            errors.OutputWriteError: it cannot be emptied.
        """
        if os.fstat(self._descriptor).st_size > self._name.size:
            self.restart()
        self.size = feed(self._path, self._hashers, on_bytes)
        self.was_continued = self.size > 0
        os.lseek(self._descriptor, self.size, os.SEEK_SET)

    def restart(self) -> None:
        """Drop all bytes.

        Raises:
            errors.OutputWriteError: the file cannot be emptied.
        """
        with write_errors(self._target):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._forget()

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            errors.OutputWriteError: the disk is full or fails.
        """
        with write_errors(self._target):
            remaining = memoryview(data)
            while remaining:
                written = os.write(self._descriptor, remaining)
                for hasher in self._hashers:
                    hasher.update(remaining[:written])
                self.size += written
                remaining = remaining[written:]

    @property
    def is_right(self) -> bool:
        """Whether the content is what the hub said."""
        return self.size == self._name.size and self._hashers[0].hexdigest() == self._name.etag

    @property
    def sha256(self) -> str:
        """Of the content so far, in hexadecimal."""
        return self._hashers[-1].hexdigest()

    def commit(self) -> bool:
        """Move the file to its place, safe from a power cut; False if a file came there meanwhile.

        Raises:
            errors.OutputWriteError: the disk fails.
        """
        with write_errors(self._target):
            os.fsync(self._descriptor)
            is_placed = move_if_absent(self._path, self._target)
            if is_placed:
                self._path.unlink(missing_ok=True)
            sync_folder(self._target.parent)
        return is_placed

    def discard(self) -> None:
        """Remove the unfinished file.

        Raises:
            errors.OutputWriteError: its folder does not permit it.
        """
        with write_errors(self._target):
            self._path.unlink(missing_ok=True)

    def _forget(self) -> None:
        self._hashers = self._name.hashers()
        self.size, self.was_continued = 0, False

    def close(self) -> None:
        """Leave what is there for the next download."""
        os.close(self._descriptor)
