"""What clients send too slowly, or do not send at all, holds nothing and ends."""

from __future__ import annotations

import asyncio
import os
import resource
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from in_process import Answer, Server, Wire, head, server_in, wire_to
from server_process import sha256, until

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.limiter import ByteBudget
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.upload_rate import UploadRate
from musetalk_fast.server.users import KeyRing

JSON = "application/json"
DATA = b"an asset"
ASSET = f"/v1/assets/{sha256(DATA)}"


async def _until_read(wire: Wire, request: bytes) -> None:
    """Send a head with `Expect` and wait until its body is wanted."""
    await wire.send(request)
    assert b" 100 " in await wire.reader.readuntil(b"\r\n\r\n")


async def test_unfinished_heads_are_closed(tmp_path: Path) -> None:
    async with (
        server_in(tmp_path, head_secs=0.3) as server,
        wire_to(server) as silent,
        wire_to(server) as slow,
        wire_to(server) as second,
    ):
        await slow.send(b"GET /health HTTP/1.1\r\nHost: ")
        await second.send(head("GET", "/health"))
        assert (await second.answer()).status == 200
        await second.send(b"GET /health HTTP/1.1\r\n")
        for wire in (slow, second):
            while not (wire.reader.at_eof() or wire.writer.is_closing()):
                wire.writer.write(b"a")
                await asyncio.sleep(0.02)
        for wire in (silent, slow, second):
            assert await wire.closed() == b""


async def test_a_connection_may_wait_for_its_next_request(tmp_path: Path) -> None:
    async with server_in(tmp_path, head_secs=0.3, idle_secs=60) as server, wire_to(server) as wire:
        for _ in range(2):
            await wire.send(head("GET", "/health"))
            assert (await wire.answer()).status == 200
            await asyncio.sleep(0.5)


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_body_that_stops_is_refused(tmp_path: Path, method: str) -> None:
    path = ASSET if method == "PUT" else "/infer"
    limits = {"body_rate": 1000, "body_rate_secs": 0.3}
    async with server_in(tmp_path, **limits) as server, wire_to(server) as wire:
        await wire.send(head(method, path, Content_Type=JSON, Content_Length=500_000) + b"{")
        answer = await wire.answer()
        assert (answer.status, answer.document["code"]) == (408, "MTF-REQUEST-SLOW")
        assert answer.headers["connection"] == "close"
        assert await wire.closed() == b""


async def test_a_slow_honest_upload_succeeds(tmp_path: Path) -> None:
    limits = {"body_rate": 2, "body_rate_secs": 0.4}
    async with server_in(tmp_path, **limits) as server, wire_to(server) as wire:
        await wire.send(head("PUT", ASSET, Content_Length=len(DATA)))
        for byte in DATA:
            await wire.send(bytes([byte]))
            await asyncio.sleep(0.1)
        assert (await wire.answer()).status == 201


def test_the_pace() -> None:
    rate = UploadRate(Limits(body_rate=100, body_rate_secs=10.0, body_secs=45.0))
    assert rate.patience == 10
    for secs, length in ((9.0, 1), (1.0, 999), (0.0, 10**9), (10.0, 0), (10.0, 1000), (9.0, 999)):
        rate.add(secs, length)
    assert rate.patience == 1
    with pytest.raises(RefusalError, match="slower than 100 bytes a second"):
        rate.add(1.0, 0)
    rate = UploadRate(Limits(body_rate=100, body_rate_secs=10.0, body_secs=45.0))
    for _ in range(4):
        rate.add(10.0, 10**9)
    assert rate.patience == 5
    with pytest.raises(RefusalError, match="not come in 45 s") as caught:
        rate.add(5.0, 10**9)
    assert (caught.value.status, caught.value.code) == (408, "MTF-REQUEST-SLOW")


async def test_slow_bodies_hold_no_slot(tmp_path: Path) -> None:
    expecting = {"Content_Type": JSON, "Content_Length": 1000, "Expect": "100-continue"}
    async with server_in(tmp_path, max_streams=1) as server, AsyncExitStack() as stack:
        for _ in range(3):
            wire = await stack.enter_async_context(wire_to(server))
            await _until_read(wire, head("POST", "/infer", **expecting))
            await wire.send(b"{")
        body = await server.client.frames_body(0, 2)
        assert len(await server.client.messages("/v1/frames", body)) == 4


async def test_bodies_have_a_limit_of_memory_together(tmp_path: Path) -> None:
    expecting = {"Content_Type": JSON, "Content_Length": 1000, "Expect": "100-continue"}
    async with server_in(tmp_path, max_body_bytes=1000) as server:
        async with wire_to(server) as wire:
            await _until_read(wire, head("POST", "/infer", **expecting))
            await wire.send(b" " * 800)
            while True:  # its bytes may not have been read yet
                status, document = await server.client.refusal("/infer", {"a": "b" * 300})
                if status == 429:
                    break
            assert document["code"] == "MTF-BUSY"
        while status == 429:  # nor its end
            status, document = await server.client.refusal("/infer", {"a": "b" * 300})
    assert status == 400


async def test_long_bodies_leave_memory_for_short_ones(tmp_path: Path) -> None:
    limits = {"max_body_bytes": 4 << 20, "short_body_bytes": 1 << 20}
    start = head("POST", "/infer", Content_Type=JSON, Content_Length=5 << 20)
    async with server_in(tmp_path, **limits) as server:
        frames = await server.client.frames_body(0, 2)
        async with wire_to(server) as wire:
            await wire.send(start + bytes(4 << 20))
            answer = await wire.answer()
            assert (answer.status, answer.document["code"]) == (429, "MTF-BUSY")
        async with wire_to(server) as wire:
            await wire.send(start + bytes(3 << 20))
            await until(lambda: server.services.bodies._held == 3 << 20)
            assert len(await server.client.messages("/v1/frames", frames)) == 4
        await until(lambda: server.services.bodies._held == 0)


def test_a_share_of_memory_is_free_again() -> None:
    budget = ByteBudget(100, kept=30, short=60)
    with budget.open() as add, budget.open() as add_other:
        add(60)
        with pytest.raises(RefusalError):
            add_other(41)
        add_other(40)
    with budget.open() as add:
        with pytest.raises(RefusalError):
            add(71)
        add(70)
    with budget.open() as add:
        add(60)


async def test_a_short_body_of_many_values_is_not_parsed(tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        for text in (b"[{}" + b",{}" * 100_000 + b"]", b"[" * 60_000):
            async with server.client.session.post(
                f"{server.client.base}/v1/frames", data=text, headers={"Content-Type": JSON}
            ) as response:
                assert response.status == 413
                assert "values" in (await response.json())["message"]
        runs = {"sources": [[0, 0, 1]] * 10_000, "start": 0, "stop": 10_000}
        body = await server.client.frames_body(0, 1) | runs
        async with server.client.post("/v1/frames", body) as response:
            assert response.status == 200


async def test_announced_bodies_evict_nothing(tmp_path: Path) -> None:
    expecting = {"Content_Length": 1 << 20, "Expect": "100-continue"}
    limits = {"store_bytes": 1 << 20, "max_asset_bytes": 1 << 20}
    async with server_in(tmp_path, **limits) as server, AsyncExitStack() as stack:
        name = await server.client.put(DATA)
        for number in range(4):
            wire = await stack.enter_async_context(wire_to(server))
            asset = sha256(bytes([number]))
            await _until_read(wire, head("PUT", f"/v1/assets/{asset}", **expecting))
        assert await server.services.store.holds(name)
        assert server.services.store.size == 4096  # a block of the disk


async def _flood(server: Server, request: bytes) -> tuple[int, Answer]:
    """Send a body without end; how much of it the server took, and what it said."""
    sent = 0
    async with wire_to(server) as wire:
        wire.writer.write(request)
        answer = asyncio.ensure_future(wire.answer())
        try:
            while True:
                await wire.send(bytes(1 << 16))
                sent += 1 << 16
        except ConnectionError:
            return sent, await answer


@pytest.mark.parametrize(
    ("request_head", "status", "key"),
    [
        (head("PUT", ASSET, Content_Length=8 << 30), 401, "a key"),
        (head("PUT", ASSET, Content_Length=8 << 30), 413, None),
        (head("POST", "/infer", Content_Type=JSON, Content_Length=8 << 30), 413, None),
        (head("POST", "/nothing", Content_Length=8 << 30), 404, None),
        (head("POST", "/infer", Content_Type="text/plain", Content_Length=8 << 30), 415, None),
    ],
    ids=["key", "asset", "infer", "path", "type"],
)
async def test_a_refused_body_closes_the_connection(
    tmp_path: Path, request_head: bytes, status: int, key: str | None
) -> None:
    async with server_in(tmp_path, keys=KeyRing.of_one(key) if key else None) as server:
        sent, answer = await _flood(server, request_head)
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert sent < 32 << 20  # the sockets' own buffers


async def test_a_refused_body_is_not_asked_for(tmp_path: Path) -> None:
    expecting = {"Content_Length": 1000, "Expect": "100-continue"}
    async with server_in(tmp_path, keys=KeyRing.of_one("a key")) as server, wire_to(server) as wire:
        await wire.send(head("PUT", ASSET, **expecting))
        assert (await wire.answer()).status == 401
    async with server_in(tmp_path) as server, wire_to(server) as wire:
        await server.client.put(DATA)
        await wire.send(head("PUT", ASSET, **expecting | {"Content_Length": len(DATA)}))
        assert (await wire.answer()).status == 200


async def test_without_files_to_open_a_request_is_told_so_and_streams_go_on(
    tmp_path: Path,
) -> None:
    async with server_in(tmp_path) as server, wire_to(server) as wire:
        body = await server.client.frames_body(0, 100_000)
        async with server.client.post("/v1/frames", body) as stream:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            probe = os.open(os.devnull, os.O_RDONLY)
            os.close(probe)
            resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
            try:
                await wire.send(head("PUT", ASSET, Content_Length=len(DATA)) + DATA)
                answer = await wire.answer()
                assert len(await stream.content.readexactly(1 << 20)) == 1 << 20
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert (answer.status, answer.document["code"]) == (503, "MTF-FILES")
        assert answer.headers["retry-after"] == "2"
        await server.client.put(DATA)
