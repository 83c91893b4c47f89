"""Avatars of several source frames: how many, how long they are kept, and who takes none."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

import pytest
from in_process import server_in
from pattern_engine import PatternEngine
from server_process import avatar, sha256

from musetalk_fast.server.avatar_cache import avatar_cache
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.single_flight import JobControl, SingleFlight
from musetalk_fast.server.store import AssetStore
from musetalk_fast.server.users import User
from musetalk_fast.types import AvatarOptions
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


class _FullDisk(PatternEngine):
    def prepare_avatar(self, *_args: Any) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_a_disk_that_is_full_while_a_video_is_prepared(tmp_path: Path) -> None:
    store, data = AssetStore(tmp_path / "store", 1 << 20, 1 << 20), avatar()
    await store.receive(sha256(data), _once(data), len(data), User("a"))
    with ThreadPoolExecutor(1) as thread:
        avatars = avatar_cache(_FullDisk(), store, thread, Limits(), lambda _stage: nullcontext())
        with pytest.raises(RefusalError, match="No space left") as caught:
            await avatars.get((sha256(data), AvatarOptions()), "a")
    assert (caught.value.status, caught.value.code) == (503, "MTF-STORE-FULL")


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
