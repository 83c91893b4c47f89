"""A body whose framing breaks ends at once, not after a silence that is not measured any more."""

from __future__ import annotations

import asyncio

import pytest

from musetalk_fast import errors
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "remainder",
    [b"zz\r\n", b"-5\r\n", b"fffffffffffffffffff\r\n", b"9\r\nshort\r\n5\r\nhello\r\n"],
    ids=lambda remainder: remainder.split(b"\r\n")[0].decode(),
)
async def test_chunks_that_are_none(remainder: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"5\r\nhello\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)  # the client reads the head and waits for the remainder
        writer.write(remainder)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with Connection(parse_address(f"http://127.0.0.1:{port}"), 3600) as connection:
            with pytest.raises(errors.ServerError):
                await asyncio.wait_for(_read(connection), 60)


async def test_chunks_that_are_none_while_no_reader_waits() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"5\r\nhello\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(b"zz\r\n")
        await reader.read()
        writer.close()

    async def read_late(connection: Connection) -> None:
        async with connection.request("GET", "/") as response:
            assert response.connection is not None
            assert response.connection.protocol is not None
            lost = response.connection.protocol.closed
            assert lost is not None
            await asyncio.wait([lost])
            while await response.content.readany():
                pass

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with Connection(parse_address(f"http://127.0.0.1:{port}"), 3600) as connection:
            with pytest.raises(errors.ServerError):
                await asyncio.wait_for(read_late(connection), 60)


async def _read(connection: Connection) -> None:
    async with connection.request("GET", "/") as response:
        while await response.content.readany():
            pass


async def test_a_body_that_ends_with_its_connection_is_complete() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello")
        await writer.drain()
        await asyncio.sleep(0.3)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with (
            Connection(parse_address(f"http://127.0.0.1:{port}"), 20) as connection,
            connection.request("GET", "/") as response,
        ):
            await asyncio.sleep(0.8)
            assert await response.content.read() == b"hello"
