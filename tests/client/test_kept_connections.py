"""Peers that close a connection after each response, without saying so: nothing is lost by it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from musetalk_fast import errors
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.uploads import ensure_asset

DATA = os.urandom(1 << 20)
NAME = hashlib.sha256(DATA).hexdigest()
PATH = f"/v1/assets/{NAME}"


@dataclass
class Dropping:
    """Answers the first request of a connection; the next one's connection is reset in its head.

    Attributes:
        heads: first lines of the requests, those included that were not answered.
        answers: whether a first request is answered either.
    """

    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answers: bool = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            length = await self._head(reader)
            if self.answers:
                self.bodies.append(await reader.readexactly(length))
                is_head = self.heads[-1].startswith("HEAD")
                status = b"404 Not Found" if is_head else b"201 Created"
                writer.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)
                await writer.drain()
                await self._head(reader)
            linger = struct.pack("ii", 1, 0)  # RST, as of a balancer that has forgotten it
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> int:
        """Read a request's head; the length of its body."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        self.heads.append(lines[0].removesuffix(" HTTP/1.1"))
        lengths = [line.split()[1] for line in lines if line.lower().startswith("content-length")]
        return int(lengths[0]) if lengths else 0


@asynccontextmanager
async def connected(peer: Dropping) -> AsyncIterator[Connection]:
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with Connection(parse_address(f"http://127.0.0.1:{port}"), 5.0) as connection:
            yield connection
    finally:
        server.close()


async def test_an_upload_is_sent_again_on_a_new_connection() -> None:
    peer = Dropping()
    async with connected(peer) as connection:
        assert await ensure_asset(connection, NAME, DATA, lambda *_: None)
        async with connection.request("POST", "/v1/avatars", data=b"{}") as response:
            assert response.status == 201
    assert peer.heads[:3] == [f"HEAD {PATH}", f"PUT {PATH}", f"PUT {PATH}"]
    assert peer.heads[-1] == "POST /v1/avatars"
    assert peer.bodies == [b"", DATA, b"{}"]


async def test_a_new_connection_that_breaks_is_a_failure() -> None:
    peer = Dropping(answers=False)
    async with connected(peer) as connection:
        with pytest.raises(errors.ServerUnreachableError, match="no connection"):
            async with connection.request("POST", "/v1/avatars", data=b"{}"):
                pass
    assert peer.heads == ["POST /v1/avatars"]


async def test_a_cancellation_while_it_closes_leaves_nothing_open() -> None:
    server = await asyncio.start_server(Dropping().serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        connection = Connection(parse_address(f"http://{host}:{port}"), 10)
        await connection.__aenter__()
        async with connection.request("HEAD", PATH):
            pass
        for turns in range(4):  # of the loop, before it comes
            closing = asyncio.ensure_future(connection.__aexit__(None, None, None))
            for _ in range(turns):
                await asyncio.sleep(0)
            closing.cancel()
            with suppress(asyncio.CancelledError):
                await closing
            if turns:
                assert all(session.closed for session in connection._sessions)
