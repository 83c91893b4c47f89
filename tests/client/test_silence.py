"""Every wait has an end: connecting, a document in drops, and a silent stream."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from aiohttp import web
from infer_server_process import padded
from raw_responses import answering

from musetalk_fast import errors
from musetalk_fast.client import connection_errors as connections
from musetalk_fast.client import infer as infers
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.infer import InferRequest, open_infer
from musetalk_fast.client.message_stream import post_for_messages
from musetalk_fast.client.uploads import ensure_asset
from musetalk_fast.wire.media_types import BINARY


def _request(folder: Path, png: bytes = b"") -> InferRequest:
    sound = padded(folder, 16_000, Fraction(1))
    return InferRequest(png=png, recording=sound, fps=Fraction(25), frames=25, width=64, height=64)


async def test_no_server_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECT_SECS", 0.3)
    with contextlib.ExitStack() as stack:
        door = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):  # more than its queue holds
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(door.getsockname())
        address = parse_address(f"http://127.0.0.1:{door.getsockname()[1]}")
        async with Connection(address, 10) as connection:
            with pytest.raises(errors.ServerUnreachableError, match=r"no connection within 0\.3 s"):
                await connection.health()


async def test_no_thread_to_look_up_a_name_in(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(*_asked: object, **_named: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    async with Connection(parse_address("http://gpu.example.org"), 5.0) as connection:
        with pytest.raises(errors.ThreadLimitError):
            await connection.document("/health")


async def test_an_unknown_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolvers try for half a minute and more, and sockets' time-outs have not begun."""

    def search(*_asked: object, **_named: object) -> None:
        time.sleep(1.0)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(connections, "CONNECT_SECS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", search)
    async with Connection(parse_address("http://nowhere.example:80"), 10) as connection:
        with pytest.raises(errors.ServerUnreachableError, match=r"no connection within 0\.2 s"):
            async with connection.request("POST", "/", data=b"{}"):
                pass


async def test_more_streams_than_a_pool_of_connections_holds() -> None:
    """All of them run: none waits for another to end."""
    begun = asyncio.Semaphore(0)

    async def hold(_request: web.BaseRequest) -> web.Response:
        begun.release()
        await asyncio.sleep(20)
        return web.Response()

    async def ask(connection: Connection) -> None:
        async with connection.request("GET", "/"):
            pass

    async with answering(hold, timeout_secs=20) as connection:
        streams = [asyncio.ensure_future(ask(connection)) for _ in range(40)]
        async with asyncio.timeout(60):
            for _ in streams:
                await begun.acquire()
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)


async def test_a_document_in_drops() -> None:
    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await response.write(b" ")
                await asyncio.sleep(0.1)
        return response

    async with answering(drip, timeout_secs=1) as connection:
        with pytest.raises(
            errors.ServerUnreachableError, match=r"no complete response to .* in 2 s"
        ):
            await connection.health()


HEAD = b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 4000
CONTINUES = b"HTTP/1.1 100 Continue\r\n\r\n" * 200
REFUSAL = b"HTTP/1.1 503 No\r\nContent-Length: 60000\r\n\r\n"
FRAMES = b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"fps": 25, "frames": ['


@asynccontextmanager
async def _dripping(
    method: str, at_once: bytes, drops: bytes, timeout_secs: float = 1.0
) -> AsyncIterator[Connection]:
    """To a server that answers one method in drops, HEAD with 404, and never is silent.

    A busy machine that holds this process up for the time-out would make it silent.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering = asyncio.current_task()
        assert answering is not None
        raw_responses.append(answering)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not (await reader.readuntil(b"\r\n\r\n")).startswith(method.encode()):
                writer.write(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
            writer.write(at_once)
            for place in range(len(drops)):
                await writer.drain()
                writer.write(drops[place : place + 1])
                await asyncio.sleep(0.05)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    raw_responses: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = parse_address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        async with Connection(address, timeout_secs) as connection, asyncio.timeout(60):
            yield connection
        # Its connections are closed: what it writes fails.
        await asyncio.wait_for(asyncio.gather(*raw_responses), 60)


async def _upload(connection: Connection) -> None:
    await ensure_asset(connection, "0" * 64, bytes(100_000), lambda *_: None)


async def _stream(connection: Connection) -> None:
    async with post_for_messages(connection, "/v1/frames", {}, BINARY):
        pass


async def _infer(connection: Connection) -> None:
    with TemporaryDirectory() as folder:
        async with open_infer(connection, _request(Path(folder))) as frames:
            async for _ in frames:
                pass


ASK = {"HEAD": _upload, "PUT": _upload, "POST": _stream, "INFER": _infer}


@pytest.mark.parametrize("method", ASK)
@pytest.mark.parametrize("drops", [HEAD, CONTINUES], ids=["head", "heads"])
async def test_a_head_in_drops(method: str, drops: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte would give it the time-out anew."""
    monkeypatch.setattr(infers, "_PATIENCE", 0.1)
    async with _dripping(method.replace("INFER", "POST"), b"", drops) as connection:
        with pytest.raises(
            errors.ServerUnreachableError, match=r"no complete response head in 1(\.1)? s"
        ):
            await ASK[method](connection)


@pytest.mark.parametrize("method", ["PUT", "POST", "INFER"])
async def test_a_refusal_in_drops(method: str) -> None:
    async with _dripping(method.replace("INFER", "POST"), REFUSAL, b"a" * 4000) as connection:
        with pytest.raises(errors.ServerUnreachableError, match=r"503 and no complete body in 2 s"):
            await ASK[method](connection)


async def test_full_frames_that_trickle_in() -> None:
    drops = b'{"index": 0, "data": "' + b"A" * 4000
    async with _dripping("POST", FRAMES, drops) as connection:
        with pytest.raises(errors.ServerSlowError, match=r"no complete frame in 1 s"):
            await _infer(connection)


async def test_line_breaks_between_full_frames_keep_the_stream_alive() -> None:
    # In all they take longer than the time-out, each of them a fortieth.
    async with _dripping("POST", FRAMES, b"\n" * 50 + b"]}", 2.0) as connection:
        with pytest.raises(errors.ProtocolError):  # what comes after them is read
            await _infer(connection)


async def test_a_silent_server() -> None:
    async def hush(_request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(20)
        return web.Response()

    async with answering(hush, timeout_secs=1) as connection:
        with pytest.raises(errors.ServerUnreachableError, match=r"silent for 1 s"):
            await connection.health()


async def test_a_server_that_takes_no_bytes_of_an_infer_request(tmp_path: Path) -> None:
    async def deaf(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closed.wait()
        writer.close()

    closed = asyncio.Event()
    request = _request(tmp_path, png=bytes(40 << 20))  # more than sockets hold
    server = await asyncio.start_server(deaf, "127.0.0.1", 0, limit=1024)
    async with server:
        address = parse_address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with Connection(address, 0.5) as connection:
            with pytest.raises(errors.ServerUnreachableError, match=r"takes no bytes for 0\.5 s"):
                async with asyncio.timeout(60), open_infer(connection, request):
                    pass
        closed.set()
