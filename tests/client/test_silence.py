"""Every wait has an end: connecting, a document in drops, and a silent stream."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from aiohttp import web
from answers import answering

from musetalk_fast import errors
from musetalk_fast.client import connection as connections
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection


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
