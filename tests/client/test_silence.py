"""Every wait has an end: connecting, a document in drops, and a silent stream."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import time
import wave
from fractions import Fraction

import pytest
from aiohttp import web
from answers import answering

from musetalk_fast import errors
from musetalk_fast.client import connection as connections
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.infer import InferRequest, open_infer
from musetalk_fast.deadline import deadline


async def test_nobody_picks_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_CONNECT_SECS", 0.3)
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


async def test_nobody_knows_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolvers try for half a minute and more, and sockets' time-outs have not begun."""

    def search(*_asked: object, **_named: object) -> None:
        time.sleep(1.0)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(connections, "_CONNECT_SECS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", search)
    async with Connection(parse_address("http://nowhere.example:80"), 10) as connection:
        with pytest.raises(errors.ServerUnreachableError, match=r"no connection within 0\.2 s"):
            async with connection.request("POST", "/", data=b"{}"):
                pass


async def test_more_streams_than_a_pool_of_connections_holds() -> None:
    """All of them at work: none waits for another to end."""
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
        async with deadline(10):
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

    async with answering(drip, timeout_secs=0.3) as connection:
        with pytest.raises(errors.ServerUnreachableError, match=r"no whole answer .* in 0\.6 s"):
            await connection.health()


async def test_a_silent_server() -> None:
    async def hush(_request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(20)
        return web.Response()

    async with answering(hush, timeout_secs=0.3) as connection:
        with pytest.raises(errors.ServerUnreachableError, match=r"silent for 0\.3 s"):
            await connection.health()


async def test_a_server_that_takes_no_bytes_of_a_plain_request() -> None:
    async def deaf(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closed.wait()
        writer.close()

    closed = asyncio.Event()
    wav = io.BytesIO()
    with wave.open(wav, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(bytes(32_000))
    png = bytes(40 << 20)  # more than sockets hold
    request = InferRequest(
        png=png, wav=wav.getvalue(), fps=Fraction(25), frames=25, width=64, height=64, bbox_shift=0
    )
    server = await asyncio.start_server(deaf, "127.0.0.1", 0, limit=1024)
    async with server:
        address = parse_address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with Connection(address, 0.5) as connection:
            with pytest.raises(errors.ServerUnreachableError, match=r"takes no bytes for 0\.5 s"):
                async with deadline(20), open_infer(connection, request):
                    pass
        closed.set()
