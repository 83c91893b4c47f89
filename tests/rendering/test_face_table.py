"""Faces on disk: as they came, by ranges, in little memory, and nothing of a damaged file."""

from __future__ import annotations

import functools
import struct
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musetalk_fast import errors
from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.rendering.face_table import (
    INDEX_START,
    FaceTable,
    open_face_table,
    pack_head,
    records_start,
)
from musetalk_fast.rendering.face_table_writer import FaceTableWriter
from musetalk_fast.types import Box, Face, SourceRun
from musetalk_fast.wire.face_digest import faces_digest

MANIFEST = b'{"engine": "pattern"}'


def _face(source: int) -> Face:
    """A face whose every number depends on its source frame."""
    width, height = 5 + source % 7, 3 + source % 5
    mask = (np.arange(width * height) * 7 + source).astype(np.uint8).reshape(height, width)
    return Face(source, Box(-source, 2, 60 + source, 90), Box(3, source, width, height), mask)


def _faces(count: int) -> list[Face | None]:
    return [None if source % 4 == 2 else _face(source) for source in range(count)]


def _written(path: Path, faces: list[Face | None], manifest: bytes = MANIFEST) -> FaceTable:
    writer = FaceTableWriter(path, len(faces))
    writer.add(faces)
    return writer.commit(manifest)


def _members(face: Face | None) -> object:
    if face is None:
        return None
    return face.source, face.box, face.mask_box, face.mask.shape, face.mask.tobytes()


def _same(ours: list[Face | None], theirs: list[Face | None]) -> bool:
    return list(map(_members, ours)) == list(map(_members, theirs))


def test_faces_are_read_as_they_came(tmp_path: Path) -> None:
    faces = _faces(30)
    writer = FaceTableWriter(tmp_path / "faces.bin", 30)
    for first in range(0, 30, 7):
        writer.add(faces[first : first + 7])
    writer.commit(MANIFEST)
    assert writer.digest == faces_digest(faces)
    table = open_face_table(tmp_path / "faces.bin")
    assert table is not None
    assert (table.manifest, table.count) == (MANIFEST, 30)
    assert _same(table.read(SourceRun(0, 1, 30)), faces)


@pytest.mark.parametrize(
    ("run", "sources"),
    [
        (SourceRun(3, 1, 6), range(3, 9)),
        (SourceRun(29, -1, 30), range(29, -1, -1)),
        (SourceRun(5, 0, 4), [5, 5, 5, 5]),
        (SourceRun(29, 1, 1), [29]),
        (SourceRun(30, 1, 0), []),
    ],
)
def test_a_run_is_read_in_its_order(run: SourceRun, sources: list[int], tmp_path: Path) -> None:
    faces = _faces(30)
    table = _written(tmp_path / "faces.bin", faces)
    assert _same(table.read(run), [faces[source] for source in sources])


@pytest.mark.parametrize(
    "run", [SourceRun(-1, 1, 2), SourceRun(29, 1, 2), SourceRun(1, -1, 3), SourceRun(30, 0, 1)]
)
def test_what_the_table_has_not_is_refused(run: SourceRun, tmp_path: Path) -> None:
    with pytest.raises(IndexError, match="of 30"):
        _written(tmp_path / "faces.bin", _faces(30)).read(run)


def test_a_table_without_faces_is_its_manifest(tmp_path: Path) -> None:
    _written(tmp_path / "faces.bin", [])
    table = open_face_table(tmp_path / "faces.bin")
    assert table is not None
    assert (table.manifest, table.count) == (MANIFEST, 0)


LONG_AVATAR = """
import resource, sys
from pathlib import Path

import numpy as np

from musetalk_fast.rendering.face_table import open_face_table
from musetalk_fast.rendering.face_table_writer import FaceTableWriter
from musetalk_fast.types import Box, Face, SourceRun

MASK = np.random.default_rng(1).integers(0, 256, (10, 20), dtype=np.uint8)


def has_face(source):
    return source % 10 != 9


def face(source):
    return Face(source, Box(0, 0, 60, 60), Box(9, 20, 20, 10), MASK) if has_face(source) else None


def write_and_read(path, count):
    writer = FaceTableWriter(path, count)
    for first in range(0, count, 50):  # in lists, as a socket brings them
        writer.add([face(source) for source in range(first, first + 50)])
    writer.commit(b"{}")
    table = open_face_table(path)
    for first in range(0, count, count // 4):
        for source, found in enumerate(table.read(SourceRun(first, 1, 250)), first):
            assert (found and found.source) == (source if has_face(source) else None)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


write_and_read(Path(sys.argv[1], "short.bin"), 1000)
before = peak()
write_and_read(Path(sys.argv[1], "long.bin"), 100_000)
print(peak() - before)
"""


@pytest.mark.long
def test_memory_does_not_grow_with_the_avatar(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="this system does not say how much memory was used")
    command = [sys.executable, "-c", LONG_AVATAR, str(tmp_path)]
    kilobytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert (tmp_path / "long.bin").stat().st_size > 20 << 20
    # In memory the 90,000 faces take 14 MB, though they share one mask.
    assert int(kilobytes) * (1 if sys.platform == "darwin" else 1024) < 4 << 20


def test_a_run_touches_only_its_own_records(tmp_path: Path) -> None:
    faces, path = _faces(3000), tmp_path / "faces.bin"
    table = _written(path, faces)
    content = bytearray(path.read_bytes())
    places = struct.unpack_from("<3001Q", content, INDEX_START)
    first, stop = 1500, 1600
    content[places[0] : places[first]] = bytes(places[first] - places[0])
    content[places[stop] :] = bytes(len(content) - places[stop])
    content[INDEX_START : INDEX_START + 8 * first] = b"\xff" * (8 * first)
    content[INDEX_START + 8 * (stop + 1) : records_start(3000)] = b"\xff" * (8 * (3000 - stop))
    path.write_bytes(content)
    assert _same(table.read(SourceRun(first, 1, 100)), faces[first:stop])
    for run in (SourceRun(first - 1, 1, 2), SourceRun(stop, 0, 1)):
        with pytest.raises(errors.OutputWriteError, match="the faces are damaged"):
            table.read(run)
    assert open_face_table(path) is None


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    assert open_face_table(tmp_path / "faces.bin") is None


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "faces.bin"
    _written(path, _faces(4))
    content = path.read_bytes()
    padding = range(20 + len(MANIFEST), INDEX_START)
    for place in {0, 8, 12, 16, 20, *range(INDEX_START, len(content))}:
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        assert open_face_table(path) is None, place
    path.write_bytes(content[: padding[5]] + b"\1" + content[padding[5] + 1 :])
    assert open_face_table(path) is not None  # it is not read


def test_a_cut_or_longer_file_is_as_good_as_not_there(tmp_path: Path) -> None:
    path = tmp_path / "faces.bin"
    _written(path, _faces(4))
    content = path.read_bytes()
    for size in {0, 7, 19, 100, INDEX_START - 1, INDEX_START, *range(INDEX_START, len(content))}:
        path.write_bytes(content[:size])
        assert open_face_table(path) is None, size
    path.write_bytes(content + b"\0")
    assert open_face_table(path) is None


def _record(source: int, sides: tuple[int, ...], mask: bytes) -> bytes:
    body = struct.pack("<IB8i", source, 1, *sides) + mask
    return struct.pack("<I", crc32c(body)) + body


BOX = (0, 0, 60, 60)


@functools.cache
def _bomb() -> bytes:
    """Made where it is used: it takes a second."""
    return zlib.compress(bytes(1 << 28), 1)


HOSTILE = {
    "a mask larger than any avatar": (*BOX, 0, 0, 1 << 20, 1 << 20, _bomb),
    "a mask that inflates beyond its size": (*BOX, 0, 0, 60, 60, _bomb),
    "a mask that is too short": (*BOX, 0, 0, 60, 60, zlib.compress(bytes(3599))),
    "a mask that is not deflated": (*BOX, 0, 0, 60, 60, bytes(3600)),
    "a mask that is cut": (*BOX, 0, 0, 60, 60, zlib.compress(bytes(range(200)) * 18)[:-5]),
    "bytes after the mask": (*BOX, 0, 0, 60, 60, zlib.compress(bytes(3600)) + b"more"),
    "negative sides": (*BOX, 0, 0, -60, -60, zlib.compress(bytes(3600))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_made_up_record_is_refused_in_little_memory(name: str, tmp_path: Path) -> None:
    *sides, mask = HOSTILE[name]
    state = _record(0, tuple(sides), mask if isinstance(mask, bytes) else mask())
    start = records_start(1)
    path = tmp_path / "faces.bin"
    index = struct.pack("<2Q", start, start + len(state))
    path.write_bytes(pack_head(MANIFEST, 1) + index + state)
    table = open_face_table(path)
    assert table is not None  # its checksums are right
    tracemalloc.start()
    try:
        with pytest.raises(errors.OutputWriteError, match="mask of source frame 0"):
            table.read(SourceRun(0, 0, 1))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


INDICES = {
    "backwards": lambda start, end: (start, start - 50, end),
    "into the head": lambda start, end: (0, start, end),
    "empty records": lambda start, end: (start, start, end),
    "a record of petabytes": lambda start, end: (start, start + (1 << 52), end),
    "beyond 63 bits": lambda start, end: (start, (1 << 64) - 1, end),
    "records that overlap": lambda start, end: (start, end, end),
}


@pytest.mark.parametrize("name", INDICES)
def test_a_made_up_index_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "faces.bin"
    _written(path, [_face(0), _face(1)])
    content = bytearray(path.read_bytes())
    index = INDICES[name](records_start(2), len(content))
    struct.pack_into("<3Q", content, INDEX_START, *index)
    path.write_bytes(content)
    assert open_face_table(path) is None
    with pytest.raises(errors.OutputWriteError, match="the faces are damaged"):
        FaceTable(path, MANIFEST, 2).read(SourceRun(0, 1, 2))


def test_a_count_beyond_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.bin"
    path.write_bytes(pack_head(MANIFEST, (1 << 32) - 1) + bytes(100))
    assert open_face_table(path) is None


def test_the_first_table_stays(tmp_path: Path) -> None:
    path = tmp_path / "faces.bin"
    ours, theirs = FaceTableWriter(path, 1), FaceTableWriter(path, 1)
    ours.add([_face(0)])
    theirs.add([None])
    assert ours.commit_if_absent(b"ours") is not None
    assert theirs.commit_if_absent(b"theirs") is None
    table = open_face_table(path)
    assert table is not None
    assert (table.manifest, _same(table.read(SourceRun(0, 0, 1)), [_face(0)])) == (b"ours", True)
    assert [each.name for each in tmp_path.iterdir()] == ["faces.bin"]


def test_nothing_is_left_of_a_table_that_was_discarded(tmp_path: Path) -> None:
    writer = FaceTableWriter(tmp_path / "faces.bin", 3)
    writer.discard()
    writer = FaceTableWriter(tmp_path / "faces.bin", 3)
    writer.add(_faces(2))
    assert len(list(tmp_path.iterdir())) == 1
    writer.discard()
    writer.discard()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="discarded"):
        writer.add([None])


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system sets no limits")
    noise = np.random.default_rng(3).integers(0, 256, (200, 200), dtype=np.uint8)
    face = Face(0, Box(0, 0, 200, 200), Box(0, 0, 200, 200), noise)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        writer = FaceTableWriter(tmp_path / "faces.bin", 9)
        with pytest.raises(errors.OutputWriteError):
            writer.add([face] * 9)
        writer.discard()
        late = FaceTableWriter(tmp_path / "faces.bin", 1)
        late.add([replace(face, mask=noise[:15])])  # too little to leave the buffer before the end
        resource.setrlimit(resource.RLIMIT_FSIZE, (4200, before[1]))
        with pytest.raises(errors.OutputWriteError):
            late.commit(MANIFEST)
        late.discard()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_discarded_table_waits_for_who_is_still_writing(tmp_path: Path) -> None:
    """As a task that was cancelled leaves its thread."""
    writer = FaceTableWriter(tmp_path / "faces.bin", 2)
    inside, go = threading.Event(), threading.Event()

    def slowly() -> Iterator[Face | None]:
        yield _face(0)
        inside.set()
        assert go.wait(10)
        yield _face(1)

    with ThreadPoolExecutor(2) as threads:
        adding = threads.submit(writer.add, slowly())
        assert inside.wait(10)
        discarding = threads.submit(writer.discard)
        assert not discarding.done()
        go.set()
        adding.result(10)
        discarding.result(10)
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_not_finished_with_faces_missing_or_too_many(tmp_path: Path) -> None:
    writer = FaceTableWriter(tmp_path / "faces.bin", 2)
    writer.add([None])
    with pytest.raises(ValueError, match="1 of 2 faces"):
        writer.commit(MANIFEST)
    with pytest.raises(ValueError, match="more than 2"):
        writer.add([None, None])
    with pytest.raises(ValueError, match="manifest of 5000 bytes"):
        writer.commit(bytes(5000))
    writer.discard()
    assert list(tmp_path.iterdir()) == []
