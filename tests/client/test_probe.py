"""Whether the default server is a MuseTalk server: whatever else answers counts as none."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from scripted_server import Script, serving

from musetalk_fast.client import negotiate
from musetalk_fast.client.negotiate import probe

FOREIGN = {
    "a web page": b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>hi</html>",
    "no such page": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
    "a broken program": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "other JSON": b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}',
    "endless JSON": b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * (2 << 20),
    "another protocol": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "nothing": b"",
}


async def test_a_default_server() -> None:
    async with serving(Script()) as url:
        assert await probe(url)


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_foreign_program(name: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        with contextlib.suppress(ConnectionError):
            writer.write(FOREIGN[name])
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert not await probe(f"http://127.0.0.1:{port}")


async def test_no_server() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert not await probe(f"http://127.0.0.1:{unused.getsockname()[1]}")


async def test_one_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negotiate, "_PROBE_SECS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as door:
        assert not await probe(f"http://127.0.0.1:{door.getsockname()[1]}")
