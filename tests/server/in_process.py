"""A server in the test's own process and loop, spoken to byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pattern_engine import PatternEngine
from server_process import Client, client_of

from musetalk_fast.engines.base import MakeEngine
from musetalk_fast.server.app import create_app
from musetalk_fast.server.host_names import Hosts
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.run import serving
from musetalk_fast.server.services import SERVICES, Services
from musetalk_fast.server.sockets import open_listener
from musetalk_fast.server.users import KeyRing


@dataclass(frozen=True)
class Server:
    """A server, its parts, and a client of it."""

    services: Services
    client: Client
    port: int


@asynccontextmanager
async def server_in(
    folder: Path,
    keys: KeyRing | None = None,
    hosts: Iterable[str] | None = None,
    engine: MakeEngine = PatternEngine,
    *,
    has_page: bool = False,
    send_bytes: int | None = None,
    **limits: Any,
) -> AsyncIterator[Server]:
    """A server with the pattern engine whose store is in `folder`.

    Args:
        send_bytes: the kernel's buffer of what a client has not read yet.
    """
    bounds = Limits(**limits)
    names = None if hosts is None else Hosts(hosts)
    app = create_app(engine, folder / "store", bounds, keys, names, has_page=has_page)
    with open_listener("127.0.0.1", 0, None) as listener:
        for bound in listener.sockets if send_bytes else ():
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
        async with serving(app, listener, None, bounds), client_of(listener.address) as client:
            await app[SERVICES].ready
            yield Server(app[SERVICES], client, int(listener.address.rpartition(":")[2]))


@dataclass(frozen=True)
class Answer:
    """A response as it stands on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A connection without a client's manners."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """The next response, which has a length."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[0].split()[1]), headers, body)

    async def closed(self) -> bytes:
        """What comes until the server closes the connection."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""


@asynccontextmanager
async def wire_to(server: Server, receive_bytes: int | None = None) -> AsyncIterator[Wire]:
    """A connection; nothing in it takes more than a minute.

    Args:
        receive_bytes: the kernel's buffer of what was not read yet.
    """
    async with asyncio.timeout(60):
        ours = socket.socket()
        if receive_bytes:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        ours.setblocking(False)
        await asyncio.get_running_loop().sock_connect(ours, ("127.0.0.1", server.port))
        reader, writer = await asyncio.open_connection(sock=ours, limit=receive_bytes or 1 << 16)
        try:
            yield Wire(reader, writer)
        finally:
            writer.close()


def head(method: str, path: str, host: str = "localhost", **headers: object) -> bytes:
    """The head of a request; `Content_Length` stands for `Content-Length`."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()
