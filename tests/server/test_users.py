"""Several keys: their file, their quotas, and their share of the engine."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from in_process import head, server_in, wire_to
from pattern_engine import PatternAvatar, PatternEngine
from server_process import avatar, sha256, until

from musetalk_fast.engines.base import CancelCheck, CropRequest, OnFace
from musetalk_fast.errors import InvalidSettingError
from musetalk_fast.server import avatar_cache
from musetalk_fast.server.batcher import Batcher
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.fair_queue import FairQueue
from musetalk_fast.server.key_file import read_keys
from musetalk_fast.server.quotas import Quotas
from musetalk_fast.server.users import KeyRing, Quota, User
from musetalk_fast.types import AvatarOptions

FILE = """
[anna]
key = "the-key-of-anna"
streams = 4
frames_per_minute = 3000
stored_bytes = "2G"

[owner]
key = "the-key-of-the-owner"
admin = true
"""


def test_a_file_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(FILE)
    keys = read_keys(path)
    quota = Quota(streams=4, frames_per_minute=3000, stored_bytes=2 << 30)
    assert keys.user(b"the-key-of-anna") == User("anna", quota)
    assert keys.user(b"the-key-of-the-owner") == User("owner", is_admin=True)
    for wrong in (b"", b"the-key-of-ann", b"the-key-of-annaa", b"anna"):
        assert keys.user(wrong) is None
    assert "the-key" not in repr(vars(keys))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no key in it"),
        ("[anna\nkey = 'SECRET'", "no TOML (at line"),
        ("a = " + "[" * 5000, "it is no TOML"),
        ("key = 'SECRET'", "there is no key in this table"),
        ("[anna]\nstreams = 3", "there is no key in this table"),
        ("[anna]\nkey = 'SECRET WITH SPACES'", "key must be 1 to 1024 visible"),
        ("[anna]\nkey = 5", "key must be 1 to 1024 visible"),
        ("[anna]\nkey = 'SECRET'\nstreams = 0", "streams must be an integer from 1"),
        ("[anna]\nkey = 'SECRET'\nstored_bytes = '12x'", "stored_bytes must be a size"),
        ("[anna]\nkey = 'SECRET'\nadmin = 1", "admin must be"),
        ("[anna]\nkey = 'SECRET'\nframes = 1", "there is no member 'frames'"),
        ("['an na']\nkey = 'SECRET'", "a key's name has"),
        ("[anna]\nkey = 'SECRET'\n[ben]\nkey = 'SECRET'", "the same key as [anna]"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_without_the_key(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(InvalidSettingError) as caught:
        read_keys(path)
    said = f"{caught.value.where} {caught.value.message} {caught.value.hint}"
    assert words in said
    assert str(path) in said
    assert "SECRET" not in said


def test_streams_and_frames_of_a_key_are_counted() -> None:
    now = 0.0
    quotas = Quotas(lambda: now)
    user = User("anna", Quota(streams=2, frames_per_minute=600))
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(quotas.stream(user))
        with pytest.raises(RefusalError, match="all 2 streams of the key anna"):
            quotas.check(user)
        quotas.check(User("ben", user.quota))  # another key
    with quotas.frames(user, 900, lambda: 900):
        with pytest.raises(RefusalError, match="600 frames a minute") as caught:
            quotas.check(user)
        # 301 frames until one is left, ten a second.
        assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, "31")
    now = 30.0
    with pytest.raises(RefusalError):
        quotas.check(user)
    now = 30.2
    quotas.check(user)
    with quotas.frames(user, 1 << 32, lambda: 1):
        pass  # its client went after the first frame: the others do not count
    now = 30.4
    quotas.check(user)
    now = 1e6
    quotas.check(user)
    with quotas.frames(user, 600, lambda: 600), pytest.raises(RefusalError):
        quotas.check(user)  # no more than a minute's frames are saved up


async def test_a_quota_is_answered_with_429_and_its_time(tmp_path: Path) -> None:
    keys = KeyRing({"k": User("anna", Quota(streams=1, frames_per_minute=60)), "l": User("ben")})
    async with server_in(tmp_path, keys=keys) as server:
        client = server.client
        client.session.headers["Authorization"] = "Bearer k"
        body = await client.frames_body(0, 61)
        await client.messages("/v1/frames", body)
        for path in ("/v1/frames", "/v1/avatars", "/infer"):
            async with client.post(path, body) as refused:
                assert refused.status == 429
                assert 1 <= int(refused.headers["Retry-After"]) <= 2
                document = await refused.json()
                assert document["code"] == "MTF-QUOTA"
                assert "anna" in document["message"]
        client.session.headers["Authorization"] = "Bearer l"
        await client.messages("/v1/frames", body)


async def test_a_body_on_its_way_is_a_stream_of_its_key(tmp_path: Path) -> None:
    keys = KeyRing({"k": User("anna", Quota(streams=1)), "l": User("ben")})
    async with server_in(tmp_path, keys=keys) as server:
        client = server.client
        client.session.headers["Authorization"] = "Bearer k"
        given = {"Authorization": "Bearer k", "Content_Type": "application/json"}
        async with wire_to(server) as wire:
            await wire.send(head("POST", "/infer", Content_Length=100, **given) + b"{")
            await until(lambda: server.services.bodies._held > 0)
            status, document = await client.refusal("/infer", {})
            assert (status, document["code"]) == (429, "MTF-QUOTA")
            client.session.headers["Authorization"] = "Bearer l"
            assert (await client.refusal("/infer", {}))[0] == 400
        await until(lambda: server.services.bodies._held == 0)
        client.session.headers["Authorization"] = "Bearer k"
        assert (await client.refusal("/infer", {}))[0] == 400


async def test_a_key_keeps_as_many_bytes_as_it_may_and_its_oldest_go(tmp_path: Path) -> None:
    keys = KeyRing({"k": User("anna", Quota(stored_bytes=10_000)), "l": User("ben")})
    async with server_in(tmp_path, keys=keys, store_bytes=1 << 20) as server:
        client, store = server.client, server.services.store
        session = client.session.headers
        session["Authorization"] = "Bearer l"
        bens = [await client.put(bytes([each]) * 1000) for each in range(4)]
        session["Authorization"] = "Bearer k"
        await client.put(bytes([0]) * 1000)  # ben's: it is there already, and does not count
        annas = [await client.put(bytes([each]) * 1000) for each in (10, 11, 12)]
        assert [name in store for name in annas] == [False, True, True]
        assert all(name in store for name in bens)
        async with client.session.put(
            f"{client.base}/v1/assets/{sha256(bytes(9000))}", data=bytes(9000)
        ) as refused:
            assert refused.status == 413
            message = (await refused.json())["message"]
            assert message.endswith("takes 12288 bytes, and those of the key anna may take 10000")
        with store.lease(annas[1]), store.lease(annas[2]):
            async with client.session.put(
                f"{client.base}/v1/assets/{sha256(bytes(600))}", data=bytes(600)
            ) as refused:
                assert refused.status == 429
                assert (await refused.json())["code"] == "MTF-QUOTA"


class _Gate(PatternEngine):
    """Waits before its second batch, and notes whose frames each batch has."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.batches: list[Counter[Any]] = []

    def infer(self, batch: Sequence[CropRequest]) -> Any:
        self.batches.append(Counter(request.source for request in batch))
        if len(self.batches) == 1:
            assert self.open.wait(30)
        return super().infer(batch)


async def test_users_share_the_engine_whatever_the_number_of_their_streams() -> None:
    engine = _Gate()
    batcher = Batcher(engine, asyncio.get_running_loop(), lambda *_batch: None)

    def requests(source: int) -> Any:
        still = PatternAvatar(64, 64, ())
        pcm = np.zeros(1, np.int16)
        return (CropRequest(still, source, pcm, frame, (25, 1)) for frame in range(100))

    try:
        with ExitStack() as stack:
            owners = {0: "anna", 1: "anna", 2: "anna", 3: "ben", 4: "chris"}
            streams = [
                stack.enter_context(batcher.open(requests(source), 100, user))
                for source, user in owners.items()
            ]
            engine.open.set()
            taken = 0
            while taken < 60:
                for stream in streams[3:]:
                    taken += len(await stream.take())
                for stream in streams[:3]:
                    await stream.take()
    finally:
        await asyncio.to_thread(batcher.close)
    second, third = engine.batches[1:3]
    by_user = Counter[str]()
    for batch in (second, third):
        for source, count in batch.items():
            by_user[owners[source]] += count
    # Eight crops for three users: anna's three streams have no more than one other's.
    assert max(by_user.values()) == 3
    assert min(by_user.values()) == 2
    assert len(by_user) == 3


class _Preparing(PatternEngine):
    """Notes which avatar it prepares, and waits with the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.tags: list[str] = []

    def prepare_avatar(
        self, path: Path, options: AvatarOptions, on_face: OnFace, check: CancelCheck
    ) -> PatternAvatar:
        self.tags.append(str(json.loads(path.read_bytes())["tag"]))
        if len(self.tags) == 1:
            assert self.open.wait(30)
        return super().prepare_avatar(path, options, on_face, check)


async def test_users_take_turns_with_preparations_whatever_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = FairQueue()
    monkeypatch.setattr(avatar_cache, "FairQueue", lambda: turns)
    names = ("anna", "ben", "chris")
    keys = KeyRing({name: User(name) for name in names})
    engine = _Preparing()
    async with server_in(tmp_path, keys=keys, engine=lambda: engine) as server:
        client = server.client

        async def prepare(user: str, tag: str) -> None:
            header = {"Authorization": f"Bearer {user}"}
            client.session.headers.update(header)
            name = await client.put(avatar(tag=tag))
            url = f"{client.base}/v1/avatars"
            async with client.session.post(url, json={"avatar": name}, headers=header) as answer:
                assert answer.status == 200
                await answer.read()

        def count() -> int:
            return sum(cast("Counter[str]", each.users).total() for each in turns._waiting)

        asked = [asyncio.ensure_future(prepare("anna", "a1"))]
        await until(lambda: engine.tags == ["a1"])
        # `shared` was asked for by anna as her fourth, and by chris as his only one.
        for user, tag in (
            *(("anna", tag) for tag in ("a2", "a3", "shared")),
            *(("ben", "b1"), ("ben", "b2"), ("chris", "shared")),
        ):
            asked.append(asyncio.ensure_future(prepare(user, tag)))
            await until(lambda: count() == len(asked) - 1)
        engine.open.set()
        await asyncio.gather(*asked)
    assert engine.tags == ["a1", "shared", "b1", "a2", "b2", "a3"]


async def test_who_has_gone_while_waiting_keeps_no_turn() -> None:
    turns, order = FairQueue(), list[str]()

    async def work(user: str) -> None:
        async with turns.turn({user: 1}):
            order.append(user)
            await asyncio.sleep(0)

    async with turns.turn({"anna": 1}):
        tasks = [asyncio.ensure_future(work(user)) for user in ("anna", "ben", "chris", "dora")]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
    tasks[2].cancel()  # its turn has just come
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["dora", "anna"]
