"""Avatars of several source frames: how many, how long they are kept, and who takes none."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest
from in_process import server_in
from pattern_engine import PatternEngine
from server_process import avatar

from musetalk_fast.engines.base import MakeEngine
from musetalk_fast.errors import OutputWriteError
from musetalk_fast.server.single_flight import JobControl, SingleFlight
from musetalk_fast.wire.messages import End
from musetalk_fast.wire.requests import Info


async def test_a_video_of_too_many_source_frames(tmp_path: Path) -> None:
    async with server_in(tmp_path, max_source_frames=3) as server:
        info = Info.from_json(await server.client.get("/v1/info"))
        assert info.max_source_frames == 3
        name = await server.client.put(avatar(sources=3))
        assert isinstance((await server.client.messages("/v1/avatars", {"avatar": name}))[-1], End)
        name = await server.client.put(avatar(sources=4))
        status, refused = await server.client.refusal("/v1/avatars", {"avatar": name})
        assert (status, refused["code"]) == (422, "MTF-REQUEST")
        assert refused["message"] == "the avatar has 4 source frames; at most 3"


class _NoSpaceForAvatars(PatternEngine):
    def prepare_avatar(self, *_args: Any) -> NoReturn:
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise OutputWriteError("cannot be kept", where="/a/folder/of/the/server") from error


class _NoSpaceForRecordings(PatternEngine):
    def prepare_audio(self, *_args: Any) -> NoReturn:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


@pytest.mark.parametrize("engine", [_NoSpaceForAvatars, _NoSpaceForRecordings])
async def test_a_disk_that_is_full_while_something_is_prepared(
    tmp_path: Path, engine: MakeEngine
) -> None:
    """503, and what nobody uses makes way for the next try."""
    async with server_in(tmp_path, engine=engine) as server:
        client, store = server.client, server.services.store
        older, old = [await client.put(data) for data in (b"older", b"old")]
        body = await client.frames_body(0, 1)
        status, document = await client.refusal("/v1/frames", body)
        assert (status, document["code"]) == (503, "MTF-STORE-FULL")
        assert "/a/folder" not in str(document)
        kept = [name in store for name in (older, old, body["avatar"], body["audio"])]
        assert kept == [False, True, True, True]


async def test_results_are_kept_up_to_a_weight() -> None:
    made = []

    async def make(key: int, _watch: JobControl) -> int:
        made.append(key)
        return key

    results = SingleFlight(make, 3, lambda weight: weight, 10)
    for key in (4, 5, 4, 6, 4, 20, 20, 4):
        assert await results.get(key, "a") == key
    # 6 ends 5, which was not used since; 20 is too heavy, but the last one is kept in any case.
    assert made == [4, 5, 6, 20, 4]
