"""What every response has, also to what is no HTTP; and that none falls silent."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

import pytest
from aiohttp import ClientResponse, web
from in_process import Server, head, server_in, wire_to
from server_process import speech, until

from musetalk_fast.errors import (
    CropNumbersError,
    DeviceMemoryError,
    MemoryLimitError,
    MuseTalkError,
)
from musetalk_fast.server import stream_response
from musetalk_fast.server.error_responses import refusal_of
from musetalk_fast.server.infer_encoder import InferEncoder
from musetalk_fast.server.stream_response import Encoder, MessageResponse
from musetalk_fast.server.users import User
from musetalk_fast.types import CropEncoding
from musetalk_fast.wire.job_state import JobKind
from musetalk_fast.wire.media_types import NDJSON, STREAM_WIRES, StreamWire
from musetalk_fast.wire.messages import Frame, Heartbeat, Message, Start
from musetalk_fast.wire.ndjson import Decoder
from musetalk_fast.wire.stream_encoder import StreamEncoder


@pytest.mark.parametrize(
    "request_text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS handshake\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nBad Header: y\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        head("PUT", "/v1/assets/x", Content_Length=-5),
        head("BREW", "/health"),
    ],
    ids=range(6),
)
async def test_what_is_no_http(
    tmp_path: Path, request_text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with server_in(tmp_path) as server, wire_to(server) as wire:
        await wire.send(request_text)
        answer = await wire.answer()
        assert answer.status in (400, 405)
        assert set(answer.document) == {"code", "message", "hint"}
        assert answer.document["code"].startswith("MTF-REQUEST")
        assert len(answer.document["message"]) < 200
        assert answer.headers["server"] == "musetalk-fast"
        assert answer.headers["content-type"] == "application/json"
        assert b"aiohttp" not in answer.body
    assert not caplog.records


async def test_headers(tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        client = server.client
        async with client.session.get(f"{client.base}/nothing") as response:
            assert response.headers["Server"] == "musetalk-fast"
            assert response.headers["Cache-Control"] == "no-store"
        body = await client.frames_body(0, 1, audio=speech(0.1))
        async with client.post("/v1/frames", body) as response:
            assert response.headers["Server"] == "musetalk-fast"
            assert response.headers["Cache-Control"] == "no-store, no-transform"
            assert response.headers["X-Accel-Buffering"] == "no"
            await response.read()


class _Watched:
    """An encoder that says when it was given a heartbeat."""

    def __init__(self, encoder: StreamEncoder | InferEncoder) -> None:
        self._encoder = encoder
        self.media_type = encoder.media_type
        self.end = encoder.end
        self.beat = threading.Event()

    def encode(self, message: Message) -> bytes:
        if isinstance(message, Heartbeat):
            self.beat.set()
        return self._encoder.encode(message)

    def frames(self) -> Iterator[Message]:
        """Frames of which each takes until there was a heartbeat."""
        for index in range(2):
            assert self.beat.wait(30), "it is silent"
            self.beat.clear()
            yield Frame(index=index, source=0, encoding=CropEncoding.PNG, data=b"PNG")


@asynccontextmanager
async def _answered(
    server: Server, encoder: Encoder, work: Callable[[MessageResponse], Awaitable[None]]
) -> AsyncIterator[ClientResponse]:
    """The response that some work writes."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = MessageResponse(request, encoder, server.services)  # type: ignore[arg-type]
        return await response.run(work)

    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with server.client.session.get(f"http://127.0.0.1:{port}/") as response:
            yield response
    finally:
        await runner.cleanup()


async def _sent(server: Server, encoder: StreamEncoder | InferEncoder) -> bytes:
    """A response whose frames take their time, as those of a very large picture."""
    watched = _Watched(encoder)

    async def work(response: MessageResponse) -> None:
        await response.send(Start(engine="e", model="1", start=0, stop=2))
        await response.send_all(watched.frames())
        await response.end(2)

    async with _answered(server, watched, work) as response:
        return await response.read()


async def test_frames_that_take_their_time_do_not_fall_silent(tmp_path: Path) -> None:
    async with server_in(tmp_path, heartbeat_secs=0.6) as server:
        infer, ndjson = await asyncio.gather(
            _sent(server, InferEncoder(Fraction(25), time.monotonic())),
            _sent(server, StreamEncoder(NDJSON)),
        )
    assert infer.count(b"\n") >= 3
    assert [frame["index"] for frame in json.loads(infer)["frames"]] == [0, 1]
    decoder = Decoder()
    messages = decoder.feed(ndjson)
    decoder.close()
    assert sum(isinstance(message, Heartbeat) for message in messages) >= 2


class _Counting(InferEncoder):
    """An encoder that says when it was given a frame."""

    def __init__(self) -> None:
        super().__init__(Fraction(25), time.monotonic())
        self.given = [threading.Event() for _ in range(3)]

    def encode(self, message: Message) -> bytes:
        if isinstance(message, Frame):
            self.given[message.index].set()
        return super().encode(message)


async def test_a_slow_client_of_a_cancelled_job_misses_no_frame_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All are encoded together, however long a busy machine takes for the first one.
    monkeypatch.setattr(stream_response, "_ENCODE_SECS", 60.0)
    encoder, stalled, transports = _Counting(), threading.Event(), []

    def frames() -> Iterator[Message]:
        for index in range(3):
            if index == 2:
                assert stalled.wait(30)
            # The first one fills the sockets; the others are waited for, too.
            data = bytes(12_000_000 if index == 0 else 300_000)
            yield Frame(index=index, source=0, encoding=CropEncoding.PNG, data=data)

    async def work(response: MessageResponse) -> None:
        with server.services.jobs.open(JobKind.INFER, User("anna")):
            await response.send(Start(engine="e", model="1", start=0, stop=3))
            transports.append(response._request.transport)
            await response.send_all(frames())

    async with server_in(tmp_path) as server, _answered(server, encoder, work) as response:
        await until(lambda: transports and transports[0].get_write_buffer_size() > 0)
        stalled.set()
        assert await asyncio.to_thread(encoder.given[2].wait, 30)
        (job,) = server.services.jobs.all
        job.cancel()
        await until(lambda: not server.services.jobs.all)
        await asyncio.sleep(0.1)  # the rest is on its way, and the sockets are full yet
        document = json.loads(await response.read())
    assert [frame["index"] for frame in document["frames"]] == [0, 1, 2]
    assert document["code"] == "MTF-JOB-CANCELLED"


@pytest.mark.parametrize("wire", STREAM_WIRES, ids=lambda wire: wire.name)
async def test_nothing_follows_the_end_of_a_job_that_is_cancelled_with_it(
    tmp_path: Path, wire: StreamWire
) -> None:
    async def work(response: MessageResponse) -> None:
        with server.services.jobs.open(JobKind.FRAMES, User("anna")) as job:
            await response.send(start)
            asyncio.get_running_loop().call_soon(job.cancel)  # while `end` is written
            await response.end(0)

    start, encoder = Start(engine="e", model="1", start=0, stop=0), StreamEncoder(wire)
    async with (
        server_in(tmp_path) as server,
        _answered(server, StreamEncoder(wire), work) as response,
    ):
        assert await response.read() == encoder.encode(start) + encoder.end(0)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DeviceMemoryError("no memory"), 503),
        (MemoryLimitError("no memory"), 503),
        (CropNumbersError("no numbers"), 500),
    ],
)
def test_what_an_engine_lacks_is_said_with_its_hint(error: MuseTalkError, status: int) -> None:
    refusal = refusal_of(error)
    assert (refusal.status, refusal.code) == (status, error.token)
    assert (refusal.message, refusal.hint) == (error.message, error.default_hint)
    assert refusal.retryable
