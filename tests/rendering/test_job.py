"""What all servers of a render must agree on: the first word is kept, and held to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from musetalk_fast import errors
from musetalk_fast.rendering.job import JobState
from musetalk_fast.rendering.jobdir import FACES, JobDirectory
from musetalk_fast.rendering.manifest import Manifest, manifest_from_bytes, manifest_to_bytes
from musetalk_fast.types import Box, EngineIdentity, Face, NoFace, SourceRun
from musetalk_fast.wire.face_digest import FacesDigest, faces_digest

ENGINE = EngineIdentity("pattern", "1", is_preview=False)
FACE = Face(0, Box(0, 0, 40, 40), Box(4, 20, 32, 18), np.full((18, 32), 200, np.uint8))
OTHER = Face(0, Box(1, 0, 40, 40), Box(4, 20, 32, 18), np.full((18, 32), 200, np.uint8))
PLAN: Any = SimpleNamespace(no_face=NoFace.PASS, identity="ab" * 32)


def _state(folder: Path) -> JobState:
    return JobState(PLAN, JobDirectory(folder))


async def _establish(
    state: JobState, faces: list[Face | None], engine: EngineIdentity = ENGINE
) -> None:
    async with state.receiving(len(faces)) as sink:
        sink.add(faces)
        offered = Manifest(
            engine=engine, digest=sink.digest, source_frames=len(faces), makes_full_frames=not faces
        )
        await state.establish(offered, sink, "a server")


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _left(state: JobState) -> int:
    assert state.faces is not None
    (face,) = state.faces.read(SourceRun(0, 0, 1))
    assert face is not None
    return face.box.x


async def test_the_first_word_is_kept_for_later_runs(tmp_path: Path) -> None:
    state = _state(tmp_path)
    assert (state.manifest, state.faces, state.established_at) == (None, None, None)
    await _establish(state, [FACE])
    assert state.established_at is not None
    again = _state(tmp_path)
    assert again.manifest == state.manifest
    assert again.manifest == Manifest(engine=ENGINE, digest=faces_digest([FACE]), source_frames=1)
    assert _left(again) == 0
    assert _names(tmp_path) == [FACES]


async def test_others_are_held_to_it_and_write_nothing(tmp_path: Path) -> None:
    state = _state(tmp_path)
    await _establish(state, [FACE])
    before = (tmp_path / FACES).stat()
    async with state.receiving(1) as sink:
        assert isinstance(sink, FacesDigest)
    await _establish(state, [FACE])
    with pytest.raises(errors.FacesDifferError) as caught:
        await _establish(state, [OTHER])
    assert caught.value.where == "a server"
    with pytest.raises(errors.EngineDiffersError):
        await _establish(state, [FACE], EngineIdentity("pattern", "2", is_preview=False))
    after = (tmp_path / FACES).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


async def test_another_machine_may_be_first(tmp_path: Path) -> None:
    ours, theirs = _state(tmp_path), _state(tmp_path)
    await _establish(theirs, [OTHER])
    with pytest.raises(errors.FacesDifferError):
        await _establish(ours, [FACE])
    assert ours.manifest == theirs.manifest
    assert _left(ours) == 1
    await _establish(ours, [OTHER])


async def test_two_servers_at_a_time_have_one_first(tmp_path: Path) -> None:
    state = _state(tmp_path)
    done = await asyncio.gather(
        _establish(state, [FACE]), _establish(state, [FACE]), return_exceptions=True
    )
    assert done == [None, None]
    assert _names(tmp_path) == [FACES]


@pytest.mark.parametrize("content", [b"", b"junk", b"MTFFACE1" + bytes(5000)])
async def test_damaged_is_as_good_as_not_there(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FACES).write_bytes(content)
    state = _state(tmp_path)
    assert state.manifest is None
    await _establish(state, [FACE])
    assert _state(tmp_path).manifest == state.manifest
    assert _names(tmp_path) == [FACES]


async def test_that_full_frames_come_stands_in_the_manifest(tmp_path: Path) -> None:
    await _establish(_state(tmp_path), [])
    state = _state(tmp_path)
    assert state.manifest is not None
    assert state.manifest.makes_full_frames
    with pytest.raises(errors.FacesDifferError):
        await _establish(state, [FACE])


async def test_a_server_of_full_frames_does_not_join_one_of_crops(tmp_path: Path) -> None:
    state = _state(tmp_path)
    await _establish(state, [FACE])
    with pytest.raises(errors.FacesDifferError):
        await _establish(state, [])


async def test_nothing_is_left_of_a_preparation_that_failed(tmp_path: Path) -> None:
    state = _state(tmp_path)

    async def prepare() -> None:
        async with state.receiving(3) as sink:
            sink.add([FACE])
            assert len(_names(tmp_path)) == 1
            raise errors.StreamCutError("gone")

    with pytest.raises(errors.StreamCutError):
        await prepare()
    assert _names(tmp_path) == []
    assert state.manifest is None


def test_a_manifest_that_contradicts_itself_is_none() -> None:
    crops = Manifest(engine=ENGINE, digest="ab" * 32, source_frames=3)
    full_frames = Manifest(engine=ENGINE, digest="ab" * 32, source_frames=0, makes_full_frames=True)
    for manifest in (crops, full_frames):
        content = manifest_to_bytes(manifest)
        assert manifest_from_bytes(content) == manifest
        flag = content.replace(b"true", b"?").replace(b"false", b"true").replace(b"?", b"false")
        assert manifest_from_bytes(flag) is None
    for content in (b"", b"[]", b"{}", manifest_to_bytes(crops).replace(b"ab", b"AB")):
        assert manifest_from_bytes(content) is None


def test_the_longest_names_fit() -> None:
    longest = EngineIdentity("\U0001f600" * 200, "\U0001f600" * 200, is_preview=True)
    content = manifest_to_bytes(Manifest(engine=longest, digest="ab" * 32, source_frames=1))
    assert len(content) < 2000
