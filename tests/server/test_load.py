"""Many clients, slow clients, clients that go away: measured at the engine."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path

from server_process import Client, avatar, client_of, frames_of, journal, running, until

from musetalk_fast.wire import binary
from musetalk_fast.wire.messages import Heartbeat

AFTER = 300
"""Crops that may still be made for a client that went away: it takes a moment to be noticed."""


def _made(path: Path) -> int:
    return sum(count for verb, _, count, _ in journal(path) if verb == "infer")


async def _idle(path: Path, verb: str) -> int:
    """How much the engine has done, once that stays the same."""
    before = -1
    async with asyncio.timeout(60):
        while before != (done := sum(found == verb for found, _, _, _ in journal(path))):
            before = done
            await asyncio.sleep(1.0)
    return before


async def _first_frame(client: Client, body: object) -> None:
    async with client.post("/v1/frames", body) as response:
        decoder = binary.Decoder()
        while not frames_of(decoder.feed(await response.content.readany())):
            pass


async def test_a_client_that_goes_stops_its_work(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with running(engine={"journal": str(path), "crop_secs": 0.01}) as process:
        async with client_of(process.address) as client:
            body = await client.frames_body(0, 1_000_000)
            await _first_frame(client, body)
            made = _made(path)
            await _idle(path, "infer")
            assert _made(path) - made < AFTER
            # And the server is free for the next one.
            assert len(frames_of(await client.messages("/v1/frames", body | {
                "stop": 3, "sources": [[0, 0, 3]]}))) == 3  # fmt: skip


async def test_a_client_that_goes_stops_its_preparation(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with running(engine={"journal": str(path)}) as process:
        async with client_of(process.address) as client:
            name = await client.put(avatar(sources=10_000, secs=0.01))
            waiting = asyncio.ensure_future(client.messages("/v1/avatars", {"avatar": name}))
            await until(path.exists)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert await _idle(path, "face") < AFTER


async def test_a_preparation_is_shared_and_outlives_one_of_its_waiters(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with running(engine={"journal": str(path)}) as process:
        async with client_of(process.address) as client:
            name = await client.put(avatar(sources=20, secs=0.02))
            waiting = [
                asyncio.ensure_future(client.messages("/v1/avatars", {"avatar": name}))
                for _ in range(3)
            ]
            await until(path.exists)
            waiting[0].cancel()
            for messages in await asyncio.gather(*waiting[1:]):
                assert len(messages) == 22
    faces = [detail for verb, _, _, detail in journal(path) if verb == "face"]
    assert faces == list(range(20))


async def test_a_slow_client_slows_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with running(engine={"journal": str(path)}) as process:
        async with client_of(process.address) as client:
            await client.frames_body(0, 1)
            slow = await client.frames_body(0, 100_000)
            async with client.post("/v1/frames", slow):
                # Nothing is read but what the session reads ahead: the engine stops.
                await _idle(path, "infer")
                # Sockets' buffers and two batches, not the 19 GB of the full stream.
                assert _made(path) < 200
                quick = await client.frames_body(0, 200)
                assert len(frames_of(await client.messages("/v1/frames", quick))) == 200


async def test_the_engine_is_shared_fairly(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with running(engine={"journal": str(path), "crop_secs": 0.02}) as process:
        async with client_of(process.address) as client:
            short = await client.frames_body(1000, 1020)
            long = asyncio.ensure_future(
                client.messages("/v1/frames", await client.frames_body(0, 300))
            )
            await until(lambda: path.exists() and _made(path) > 0)
            before = _made(path)
            await client.messages("/v1/frames", short)
            made = _made(path) - before
            assert not long.done()
            long.cancel()
    # With 20 crops of its own the rival has as many, and some before we are heard: not its 300.
    assert made < 150


async def test_batches_are_filled_across_streams(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with running(engine={"journal": str(path), "crop_secs": 0.002}) as process:
        async with client_of(process.address) as client:
            bodies = [await client.frames_body(start, start + 100) for start in (0, 500)]
            await asyncio.gather(*(client.messages("/v1/frames", body) for body in bodies))
    sizes = [count for verb, _, count, _ in journal(path) if verb == "infer"]
    assert sum(sizes) == 200
    assert max(sizes) == 4
    assert len(sizes) < 100


async def test_too_many_streams_get_a_retry_after() -> None:
    with running(limits={"max_streams": 2}) as process:
        async with client_of(process.address) as client:
            body = await client.frames_body(0, 100_000)
            async with client.post("/v1/frames", body), client.post("/v1/frames", body):
                for path in ("/v1/frames", "/v1/avatars", "/infer"):
                    async with client.post(path, body) as response:
                        assert response.status == 429
                        assert int(response.headers["Retry-After"]) >= 1
                        assert (await response.json())["code"] == "MTF-BUSY"
                # Who does not work is welcome.
                assert (await client.get("/health"))["status"] == "healthy"
                await client.put(b"still uploading")
            short = body | {"stop": 2, "sources": [[0, 0, 2]]}
            for _ in range(1000):
                async with client.post("/v1/frames", short) as response:
                    if response.status == 200:
                        break
                await asyncio.sleep(0.02)
            assert response.status == 200


async def test_silence_is_filled_with_heartbeats() -> None:
    with running(engine={"crop_secs": 1.0}, limits={"heartbeat_secs": 1.0}) as process:
        async with client_of(process.address) as client:
            body = await client.frames_body(0, 4)
            heard: list[float] = []
            beats = 0
            async with client.post("/v1/frames", body) as response:
                decoder = binary.Decoder()
                while chunk := await response.content.readany():
                    heard.append(time.monotonic())
                    beats += sum(isinstance(m, Heartbeat) for m in decoder.feed(chunk))
                decoder.close()
    assert beats >= 2
    # The engine says nothing for four.
    assert max(b - a for a, b in pairwise(heard)) < 3


async def test_a_client_that_takes_nothing_is_let_go(tmp_path: Path) -> None:
    with running(limits={"stalled_secs": 1.0, "max_streams": 1}) as process:
        async with client_of(process.address) as client:
            body = await client.frames_body(0, 100_000)
            async with client.post("/v1/frames", body), asyncio.timeout(60):
                short = body | {"stop": 1, "sources": [[0, 0, 1]]}
                status, _ = await client.refusal("/v1/frames", short)
                while status == 429:
                    await asyncio.sleep(0.1)
                    async with client.post("/v1/frames", short) as response:
                        status = response.status
                assert status == 200
