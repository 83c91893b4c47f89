"""Writes a face table as the faces come: atomically, in the memory of one face."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from musetalk_fast.rendering.face_table import (
    INDEX_START,
    MAX_MANIFEST,
    FaceTable,
    pack_head,
    pack_place,
    pack_record,
    records_start,
)
from musetalk_fast.storage import AtomicFile, write_errors
from musetalk_fast.types import Face
from musetalk_fast.wire.face_digest import FacesDigest


class FaceTableWriter:
    """Takes the faces of one source frame after the other.

    Nothing is on disk before the first faces are. A lock keeps its calls apart: what a cancelled
    task has left running in a thread ends before the file is taken away.

    Args:
        path: of the table.
        count: source frames that will come.
    """

    def __init__(self, path: Path, count: int) -> None:
        self._path = path
        self._count = count
        self._added = 0
        self._digest = FacesDigest()
        self._lock = threading.Lock()
        self._file: _Unfinished | None = None
        self._discarded = False

    @property
    def digest(self) -> str:
        """Of the faces that have come; see `wire.face_digest`."""
        return self._digest.digest

    def add(self, faces: Iterable[Face | None]) -> None:
        """Append the faces of the next source frames.

        Raises:
            errors.OutputWriteError: the disk is full or the folder gone.
            ValueError: more than were announced, or it was discarded.
        """
        with self._lock, write_errors(self._path):
            file = self._opened()
            for face in faces:
                if self._added == self._count:
                    raise ValueError(f"more than {self._count} faces")
                file.append(pack_record(self._added, face))
                self._digest.add([face])
                self._added += 1

    def commit(self, manifest: bytes) -> FaceTable:
        """Put the table in its place, whatever is there.

        Raises:
            errors.OutputWriteError: the disk is full or the folder gone.
            ValueError: faces are missing, or the manifest is longer than `MAX_MANIFEST`.
        """
        with self._lock:
            self._finished(manifest).commit()
            return FaceTable(self._path, manifest, self._count)

    def commit_if_absent(self, manifest: bytes) -> FaceTable | None:
        """As `commit`, unless a file is there already: then it stays, and None is returned."""
        with self._lock:
            is_first = self._finished(manifest).commit_if_absent() is not None
            return FaceTable(self._path, manifest, self._count) if is_first else None

    def discard(self) -> None:
        """Leave nothing behind; has no effect after `commit`."""
        with self._lock:
            self._discarded = True
            if self._file is not None:
                self._file.discard()

    def _opened(self) -> _Unfinished:
        if self._discarded:
            raise ValueError("the table was discarded")
        if self._file is None:
            self._file = _Unfinished(self._path, self._count)
        return self._file

    def _finished(self, manifest: bytes) -> AtomicFile:
        if self._added != self._count:
            raise ValueError(f"{self._added} of {self._count} faces")
        if len(manifest) > MAX_MANIFEST:
            raise ValueError(f"a manifest of {len(manifest)} bytes; the limit is {MAX_MANIFEST}")
        return self._opened().finish(pack_head(manifest, self._count))


class _Unfinished:
    """The file of an unfinished table: index and records grow in parallel."""

    def __init__(self, path: Path, count: int) -> None:
        self._file = AtomicFile(path)
        try:
            with write_errors(path):
                self._index = self._file.unfinished.open("r+b")
                self._index.seek(INDEX_START)
                self._records = self._file.unfinished.open("r+b")
                self._end = self._records.seek(records_start(count))
                self._index.write(pack_place(self._end))
        except BaseException:
            self._file.discard()
            raise

    def append(self, record: bytes) -> None:
        self._records.write(record)
        self._end += len(record)
        self._index.write(pack_place(self._end))

    def finish(self, head: bytes) -> AtomicFile:
        """Write the head; what is left is to give the file its name."""
        with write_errors(self._file.path):
            self._records.close()
            self._index.seek(0)
            self._index.write(head)
            self._index.close()
        return self._file

    def discard(self) -> None:
        for file in (self._records, self._index):
            with suppress(OSError):  # what cannot be flushed is not wanted
                file.close()
        self._file.discard()
