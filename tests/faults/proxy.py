"""A fault-injecting proxy: it stands before a real server and alters its responses by a script.

It runs in a thread of its own. What it lets through it sends as it came, cut into the messages of
the wire, so that a fault may be placed at a message or inside one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

import aiohttp
from aiohttp import web

from musetalk_fast.wire.media_types import BINARY, NDJSON

_NO_LOG = logging.getLogger("proxy.unheard")
"""What aiohttp says of connections that end too early: they are meant to."""
_NO_LOG.disabled = True

HEADER_BYTES = 32
DROP_SECS = 0.2
WAIT_SECS = 100.0
_LENGTH = struct.Struct("<I")
_LENGTH_AT = 24


class Act(Enum):
    """What can be done in the place of bytes."""

    RESET = "reset"
    """The connection ends without a word (RST)."""
    CUT = "cut"
    """The connection ends after what was sent has arrived (FIN), in the middle of the response."""
    END = "end"
    """The response ends as if it were complete: its framing is correct."""
    HUSH = "hush"
    """Nothing more comes; the connection stays."""
    DRIP = "drip"
    """The remainder comes one byte a second."""


class Raw(bytes):
    """Bytes that go to the socket as they are, into the middle of the response's framing."""


Piece: TypeAlias = "bytes | float | Act | Callable[[], bool]"
"""What is sent, seconds or a condition to wait for, or something else to do."""
Change: TypeAlias = Callable[[int, bytes], Iterable[Piece]]
"""Given a message's number in its answer and its bytes: what is sent instead."""


def as_it_is(_number: int, message: bytes) -> Iterable[Piece]:
    """Send what came."""
    return [message]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong with one answer.

    Attributes:
        name: for tables.
        begin: makes the change; called once per answer, as a change may remember.
        status, headers: refuse with these instead of asking the server.
        raw: bytes in the place of an HTTP response, then the connection ends.
        drops: more raw bytes before it ends, one at a time.
        hush: take the request, say nothing.
        corrupt_request: the request itself arrives with a wrong bit in its body.
    """

    name: str
    begin: Callable[[], Change] = lambda: as_it_is
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    drops: bytes = b""
    hush: bool = False
    corrupt_request: bool = False

    @property
    def kind(self) -> str:
        """The name without its numbers."""
        return re.sub(r"[-+]?\d[\d.e-]*", "N", self.name)


@dataclass
class Asked:
    """A request that came: what for, and what became of it."""

    method: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    fault: Fault | None = None
    at: float = field(default_factory=time.monotonic)


class Proxy:
    """Before one server; `url` is for `-s`.

    Args:
        upstream: address of the server; may be set anew while it runs.
        tls: speak https to clients.
    """

    def __init__(self, upstream: str, tls: ssl.SSLContext | None = None) -> None:
        self.upstream = upstream
        self.asked: list[Asked] = []
        self.port = 0
        self._tls = tls
        self._waiting: list[tuple[str, Fault, int]] = []
        self._lock = threading.Lock()
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._runner: web.ServerRunner | None = None
        self._door: socket.socket | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def inject(self, path: str, fault: Fault, times: int = 1) -> None:
        """Inject a fault into the next responses to requests whose path begins so."""
        with self._lock:
            self._waiting.append((path, fault, times))

    def heal(self) -> int:
        """Forget the faults that have not struck; how many those were."""
        with self._lock:
            left = sum(times for _, _, times in self._waiting)
            self._waiting.clear()
        return left

    def struck(self) -> list[str]:
        """Names of the faults that did."""
        return [asked.fault.name for asked in self.asked if asked.fault]

    def frames_asked(self) -> list[range]:
        """The ranges of frames that were asked for, in the order of asking."""
        return [
            range(asked.body["start"], asked.body["stop"])
            for asked in self.asked
            if asked.path == "/v1/frames"
        ]

    def open(self) -> None:
        """Listen, at the same port as before."""
        self._call(self._open())

    def close(self) -> None:
        """Stop listening: connections are refused; those that stand are cut."""
        self._call(self._close())

    def start(self) -> None:
        """Begin; `stop` ends it."""
        self._thread.start()
        self.open()

    def stop(self) -> None:
        """End for good."""
        self.close()
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        done.result(20)

    async def _open(self) -> None:
        if self._runner is not None:
            return
        server = web.Server(
            self._answer, handler_cancellation=True, access_log=None, logger=_NO_LOG
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.0)
        await self._runner.setup()
        self._door = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = self._door.getsockname()[1]
        await web.SockSite(self._runner, self._door, ssl_context=self._tls).start()

    async def _close(self) -> None:
        if self._runner is None:
            return
        assert self._door is not None
        # A connection accepted while its server closes is leaked (python/cpython#109564).
        self._loop.remove_reader(self._door.fileno())
        await asyncio.sleep(0)
        for site in list(self._runner.sites):
            await site.stop()
        await self._cut_all()
        await self._runner.cleanup()
        self._runner = None
        await self._cut_all()

    async def _cut_all(self) -> None:
        """Close every socket, of clients and of the server, those too whose peer does not read."""
        for transport in list(self._loop._transports.values()):  # type: ignore[attr-defined]
            transport.abort()
        await asyncio.sleep(0)  # a transport closes its socket in the next round of the loop

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._cut_all()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        asked = Asked(request.method, request.path)
        if request.method == "POST" and body.startswith(b"{"):
            asked.body = json.loads(body)
        fault = self._fault_for(request.path)
        asked.fault = fault
        self.asked.append(asked)
        if fault is not None and fault.hush:
            await asyncio.sleep(3600)
        if fault is not None and fault.raw is not None:
            return await _corrupted(request, fault.raw, fault.drops)
        if fault is not None and fault.status is not None:
            return web.Response(status=fault.status, headers=fault.headers, text="out of order")
        if fault is not None and fault.corrupt_request and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 0x80]) + body[middle + 1 :]
        change = as_it_is if fault is None else fault.begin()
        try:
            return await self._forward(request, body, change)
        except (aiohttp.ClientError, OSError):
            return _reset(request)  # the server is gone, or its client

    def _fault_for(self, path: str) -> Fault | None:
        with self._lock:
            for place, (begins, fault, times) in enumerate(self._waiting):
                if path.startswith(begins):
                    self._waiting[place : place + 1] = (
                        [(begins, fault, times - 1)] if times > 1 else []
                    )
                    return fault
        return None

    async def _forward(
        self, request: web.BaseRequest, body: bytes, change: Change
    ) -> web.StreamResponse:
        kept = {"Accept", "Content-Type", "Authorization"}
        headers = {name: value for name, value in request.headers.items() if name in kept}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with (
            aiohttp.ClientSession(timeout=timeout, read_bufsize=1 << 18) as session,
            session.request(
                request.method,
                self.upstream + request.path_qs,
                data=body or None,
                headers=headers,
            ) as answer,
        ):
            return await _relay(request, answer, change)


@contextmanager
def proxied(upstream: str, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """A proxy that runs while the context is open."""
    proxy = Proxy(upstream, tls)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


async def _relay(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, change: Change
) -> web.StreamResponse:
    named = ("Content-Type", "Retry-After")
    headers = {name: answer.headers[name] for name in named if name in answer.headers}
    response = web.StreamResponse(status=answer.status, headers=headers)
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    number = 0
    await response.prepare(request)
    async for message in _messages(answer):
        for piece in change(number, message):
            if piece in (Act.RESET, Act.CUT):
                return _reset(request) if piece is Act.RESET else _cut(request)
            if piece is Act.END:
                await response.write_eof()
                return response
            if piece is Act.HUSH or isinstance(piece, float) or callable(piece):
                await _wait(piece)
            elif piece is Act.DRIP:
                await _drip(response, message)
            elif isinstance(piece, Raw):
                assert request.transport is not None
                request.transport.write(piece)
            else:
                assert isinstance(piece, bytes)
                await response.write(piece)
        number += 1
    await response.write_eof()
    return response


async def _wait(piece: Act | float | Callable[[], bool]) -> None:
    if not callable(piece):
        await asyncio.sleep(piece if isinstance(piece, float) else 3600)
        return
    end = time.monotonic() + WAIT_SECS
    while not piece():
        assert time.monotonic() < end, "what a fault waits for has not come"
        await asyncio.sleep(0.002)


async def _messages(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """An answer message by message; one that is no stream is one message."""
    sizes = {BINARY.media_type: _binary_size, NDJSON.media_type: _line_size}
    size_of = sizes.get(answer.content_type)
    if size_of is None:
        yield await answer.read()
        return
    held = bytearray()
    async for chunk in answer.content.iter_any():
        held += chunk
        while (size := size_of(held)) and len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


def _binary_size(held: bytearray) -> int:
    if len(held) < HEADER_BYTES:
        return 0
    size: int = _LENGTH.unpack_from(held, _LENGTH_AT)[0]
    return HEADER_BYTES + size


def _line_size(held: bytearray) -> int:
    return held.find(b"\n") + 1


async def _drip(response: web.StreamResponse, message: bytes) -> None:
    for place in range(len(message)):
        await response.write(message[place : place + 1])
        await asyncio.sleep(1)


async def _corrupted(request: web.BaseRequest, text: bytes, drops: bytes) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(text)
    await asyncio.sleep(0.01)
    for place in range(len(drops)):
        request.transport.write(drops[place : place + 1])
        await asyncio.sleep(DROP_SECS)
    request.transport.close()
    return web.Response()


def _cut(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()
