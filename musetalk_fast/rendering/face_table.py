"""The faces of an avatar, one per source frame, in a file that is read by ranges.

An hour of avatar costs no memory, neither while its faces come (`face_table_writer`) nor while
they are used. All numbers are little-endian:

| at | what |
| --- | --- |
| 0 | head: magic, source frames, bytes of the manifest, CRC-32C of these and of the manifest |
| 20 | the manifest (`manifest`), then nothing up to 4096 |
| 4096 | index: 64-bit offsets where the records begin, and where the last one ends |
| after it | one record per source frame, in order |

A record is its CRC-32C, the number of its source frame, 1 or 0 for a face or none, box and mask's
box (`x, y, width, height`), and the mask's rows, deflated.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import OutputWriteError
from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.storage import open_regular, write_errors
from musetalk_fast.types import Box, Face, Mask, SourceRun
from musetalk_fast.wire.message_json import MAX_MASK_PIXELS

INDEX_START = 4096
"""Where the index begins."""

MAX_MANIFEST = 4000
"""Bytes."""

_MAGIC = b"MTFFACE1"
_HEAD = struct.Struct("<8sIII")
_PLACE = struct.Struct("<Q")
_RECORD = struct.Struct("<IIB8i")
_CHECKSUM_BYTES = 4
"""Of a head, where they come last; of a record, where they come first."""

_MAX_RECORD = _RECORD.size + MAX_MASK_PIXELS + MAX_MASK_PIXELS // 1000 + 64
"""Bytes; what cannot be deflated becomes a little longer (RFC 1951, section 3.2.4)."""

_MAX_PLACES_AT_ONCE = 1024
_DEFLATE_LEVEL = 1


class _DamagedError(Exception):
    """What is wrong with a table."""


class FaceTable:
    """A finished table; every call opens the file, so that threads may share it.

    Attributes:
        manifest: what was kept with the faces.
        count: source frames.
    """

    def __init__(self, path: Path, manifest: bytes, count: int) -> None:
        self.path = path
        self.manifest = manifest
        self.count = count

    def read(self, run: SourceRun) -> list[Face | None]:
        """The faces of a run's source frames, in its order; no other record is read.

        Raises:
            IndexError: a source frame that is not in the table.
            errors.OutputWriteError: it cannot be read, or is damaged there.
        """
        if run.count < 1:
            return []
        low, high = sorted((run.first, run.first + run.step * (run.count - 1)))
        if low < 0 or high >= self.count:
            raise IndexError(f"source frames {low} to {high} of {self.count}")
        with self._reading() as file:
            records = enumerate(_records(file, low, high + 1), low)
            faces = [_unpacked(record, source) for source, record in records]
        if run.step == 0:
            return faces * run.count
        return faces if run.step > 0 else faces[::-1]

    def presence(self) -> NDArray[np.bool_]:
        """Of each source frame whether it has a face; read from the index alone.

        Raises:
            errors.OutputWriteError: it cannot be read, or is damaged there.
        """
        has_face = np.zeros(self.count, bool)
        with self._reading() as file:
            for first in range(0, self.count, _MAX_PLACES_AT_ONCE):
                stop = min(self.count, first + _MAX_PLACES_AT_ONCE)
                # The record of a frame without a face is nothing but its head.
                has_face[first:stop] = np.diff(_places(file, first, stop)) > _RECORD.size
        return has_face

    def is_sound(self) -> bool:
        """Whether all of it is as it was written; reads a record at a time.

        Raises:
            errors.OutputWriteError: it cannot be read.
        """
        try:
            with write_errors(self.path), self.path.open("rb") as file:
                (first,), (last,) = (_places(file, end, end) for end in (0, self.count))
                if first != records_start(self.count) or last != file.seek(0, os.SEEK_END):
                    return False
                for source, record in enumerate(_records(file, 0, self.count)):
                    _check(record, source)
        except _DamagedError:
            return False
        return True

    @contextmanager
    def _reading(self) -> Iterator[BinaryIO]:
        """The open file; damage that is found in it becomes an error."""
        try:
            with write_errors(self.path), self.path.open("rb") as file:
                yield file
        except _DamagedError as error:
            raise OutputWriteError(
                f"the faces are damaged: {error}",
                where=str(self.path),
                hint="delete it and run the same command again",
            ) from None


def open_face_table(path: Path) -> FaceTable | None:
    """A table that was stored, or None; a damaged one counts as absent.

    Raises:
        errors.OutputPlaceError: it is no regular file.
        errors.OutputWriteError: it is there and cannot be read.
    """
    with write_errors(path):
        try:
            with os.fdopen(open_regular(path), "rb") as file:
                head = file.read(INDEX_START)
        except FileNotFoundError:
            return None
    if len(head) < INDEX_START:
        return None
    magic, count, length, checksum = _HEAD.unpack_from(head)
    if magic != _MAGIC or length > MAX_MANIFEST:
        return None
    manifest = head[_HEAD.size : _HEAD.size + length]
    if crc32c(manifest, crc32c(head[: _HEAD.size - _CHECKSUM_BYTES])) != checksum:
        return None
    table = FaceTable(path, manifest, count)
    return table if table.is_sound() else None


def records_start(count: int) -> int:
    """Where the records of a table of so many source frames begin."""
    return INDEX_START + _PLACE.size * (count + 1)


def pack_head(manifest: bytes, count: int) -> bytes:
    """All that comes before the index."""
    head = _HEAD.pack(_MAGIC, count, len(manifest), 0)[:-_CHECKSUM_BYTES]
    checksum = crc32c(manifest, crc32c(head)).to_bytes(_CHECKSUM_BYTES, "little")
    return (head + checksum + manifest).ljust(INDEX_START, b"\0")


def pack_place(place: int) -> bytes:
    """An entry of the index."""
    return _PLACE.pack(place)


def pack_record(source: int, face: Face | None) -> bytes:
    """The record of a source frame."""
    if face is None:
        record = _RECORD.pack(0, source, 0, *[0] * 8)
    else:
        mask = zlib.compress(np.ascontiguousarray(face.mask).data, _DEFLATE_LEVEL)
        record = _RECORD.pack(0, source, 1, *face.box, *face.mask_box) + mask
    checksum = crc32c(memoryview(record)[_CHECKSUM_BYTES:])
    return checksum.to_bytes(_CHECKSUM_BYTES, "little") + record[_CHECKSUM_BYTES:]


def _records(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    for first in range(start, stop, _MAX_PLACES_AT_ONCE):
        places = _places(file, first, min(stop, first + _MAX_PLACES_AT_ONCE))
        file.seek(places[0])
        for begin, end in pairwise(places):
            yield file.read(end - begin)


def _places(file: BinaryIO, start: int, stop: int) -> list[int]:
    """Where the records of these source frames begin, and where the last of them ends."""
    file.seek(INDEX_START + _PLACE.size * start)
    index = file.read(_PLACE.size * (stop + 1 - start))
    if len(index) != _PLACE.size * (stop + 1 - start):
        raise _DamagedError("the index is cut off")
    places = [place for (place,) in _PLACE.iter_unpack(index)]
    for source, (begin, end) in enumerate(pairwise(places), start):
        if begin < INDEX_START or not _RECORD.size <= end - begin <= _MAX_RECORD:
            raise _DamagedError(f"the index is wrong at source frame {source}")
    return places


def _check(record: bytes, source: int) -> tuple[int, ...]:
    """What comes between number and mask of a record that is as it was written."""
    if len(record) < _RECORD.size:
        raise _DamagedError(f"source frame {source} is cut off")
    checksum, number, *rest = _RECORD.unpack_from(record)
    if crc32c(memoryview(record)[_CHECKSUM_BYTES:]) != checksum or number != source:
        raise _DamagedError(f"source frame {source} has changed")
    return tuple(rest)


def _unpacked(record: bytes, source: int) -> Face | None:
    has_face, *sides = _check(record, source)
    if not has_face:
        return None
    box, mask_box = Box(*sides[:4]), Box(*sides[4:])
    mask = _inflated(memoryview(record)[_RECORD.size :], mask_box)
    if mask is None:
        raise _DamagedError(f"the mask of source frame {source} is not of its size")
    return Face(source, box, mask_box, mask)


def _inflated(data: memoryview, place: Box) -> Mask | None:
    """The mask of a rectangle; None if the data is not exactly that."""
    size = place.width * place.height
    if place.width < 0 or place.height < 0 or size > MAX_MASK_PIXELS:
        return None
    inflater = zlib.decompressobj()
    try:
        mask = inflater.decompress(data, size + 1)
    except zlib.error:
        return None
    if len(mask) != size or not inflater.eof or inflater.unused_data:
        return None
    return np.frombuffer(mask, np.uint8).reshape(place.height, place.width)
