"""One server process: sockets, signals and the parent's lifeline."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from aiohttp import web

from musetalk_fast.engines.base import MakeEngine
from musetalk_fast.server.app import create_app
from musetalk_fast.server.host_names import Hosts
from musetalk_fast.server.http_connection import Connection
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.send_buffers import SendBuffers
from musetalk_fast.server.services import SERVICES, Services
from musetalk_fast.server.sockets import Listener, open_listener
from musetalk_fast.server.store_directory import StoreDirectory, store_directory
from musetalk_fast.server.users import KeyRing

T = TypeVar("T")

_CLEAN_UP_SECS = 2.0
"""For cleaning up; then the process exits, even inside a native call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Where a server listens, who may use it, and where it keeps its assets.

    Attributes:
        socket: path of a Unix socket; None: TCP at `host` and `port` (0: any free one).
        store_dir: None: a directory in `runtime_dir`.
        runtime_dir: removed with the process, its Unix socket in it; None: a temporary one.
        lifeline: read end of a pipe; the server stops when the other end closes.
        keys: requests must carry one of them; None: no key is needed.
        tls: serve https at the TCP address.
        allow_hosts: names in requests that are served beside those of loopback. At an address that
            other machines reach all names are, if none is given here.
        has_page: show the page for browsers.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    socket: Path | None = None
    store_dir: Path | None = None
    runtime_dir: Path | None = None
    lifeline: int | None = None
    keys: KeyRing | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    allow_hosts: tuple[str, ...] = ()
    has_page: bool = True


def serve(
    make_engine: MakeEngine,
    options: ServerOptions,
    limits: Limits,
    announce: Callable[[str], None],
    on_drain: Callable[[], None] = lambda: None,
) -> int | None:
    """Serve until SIGTERM or SIGINT (running streams may finish), or the end of the lifeline.

    Args:
        announce: called with `http(s)://HOST:PORT` or `unix:/PATH` once the engine is loaded.
        on_drain: called when streams still run after a signal: a second one cuts them.

    Returns:
        The signal that cut running streams short, or None.

    Raises:
        UsageError: the address, a name or the store folder cannot be used.
        Exception: what the engine raised while it was loaded.
    """
    with store_directory(options.store_dir, options.runtime_dir) as folder:
        work = _serve(make_engine, options, folder, limits, announce, on_drain)
        return uvloop.run(work)


async def _serve(
    make_engine: MakeEngine,
    options: ServerOptions,
    folder: StoreDirectory,
    limits: Limits,
    announce: Callable[[str], None],
    on_drain: Callable[[], None],
) -> int | None:
    stop = _Stop(options.lifeline)
    scheme = "https" if options.tls else "http"
    named = Hosts(options.allow_hosts)
    with open_listener(options.host, options.port, options.socket, scheme) as listener:
        is_open = not (listener.is_local or options.allow_hosts)
        hosts = None if is_open or options.socket else named
        app = create_app(
            make_engine, folder.path, limits, options.keys, hosts, has_page=options.has_page
        )
        async with serving(app, listener, options.tls, limits) as send_buffers:
            services = app[SERVICES]
            if await stop.unless(services.ready):
                announce(listener.address)
                await stop.asked.wait()
            services.draining = True
            is_idle = not services.limiter.is_busy and send_buffers.seem_empty
            if not (is_idle or stop.is_hurried):
                on_drain()
            await stop.unless_hurried(_ended(services, send_buffers), limits.drain_secs)
            _leave_in_any_case(stop, folder)
    return stop.signal


@asynccontextmanager
async def serving(
    app: web.Application, listener: Listener, tls: ssl.SSLContext | None, limits: Limits
) -> AsyncIterator[SendBuffers]:
    """Serve an application as long as the context is open.

    Returns:
        What its connections have still to send.
    """
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    loop = asyncio.get_running_loop()
    handshake_secs = limits.head_secs if tls else None
    servers: list[asyncio.Server] = []
    send_buffers = SendBuffers(limits.stalled_secs)
    try:
        await runner.setup()
        manager = runner.server
        assert manager is not None
        for bound in listener.sockets:
            new = partial(Connection, manager, loop, limits, send_buffers)
            servers += [
                await loop.create_server(
                    new, sock=bound, ssl=tls, ssl_handshake_timeout=handshake_secs
                )
            ]
        yield send_buffers
    finally:
        for server in servers:
            server.close()
        await runner.cleanup()


async def _ended(services: Services, send_buffers: SendBuffers) -> None:
    """Wait until no stream runs, and what was written is on its way."""
    await services.limiter.idle()
    await send_buffers.emptied()


class _Stop:
    """Requests to stop: graceful first, so that running streams may finish, then at once."""

    def __init__(self, lifeline: int | None) -> None:
        self.asked = asyncio.Event()
        self.signal: int | None = None
        self._hurried = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask, number)
        if lifeline is not None:
            loop.add_reader(lifeline, self._on_lifeline, lifeline)

    @property
    def exit_code(self) -> int:
        """128 and the signal that cut streams short, or 0."""
        return 0 if self.signal is None else 128 + self.signal

    @property
    def is_hurried(self) -> bool:
        """Whether streams shall be cut."""
        return self._hurried.is_set()

    async def unless(self, ready: asyncio.Future[T]) -> bool:
        """Wait until something is ready: True; or until we shall stop: False."""
        asked = asyncio.ensure_future(self.asked.wait())
        waits: list[asyncio.Future[Any]] = [ready, asked]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if ready.done():
            ready.result()
        return not self.asked.is_set()

    async def unless_hurried(self, ended: Coroutine[Any, Any, None], longest: float) -> None:
        """Wait until nothing is going on, for some time, or until there is no time left."""
        waits: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(ended),
            asyncio.ensure_future(self._hurried.wait()),
        ]
        await asyncio.wait(waits, timeout=longest, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _ask(self, number: int) -> None:
        if self.asked.is_set():
            self._hurry(number)
        self.asked.set()

    def _hurry(self, number: int | None = None) -> None:
        self.signal = number
        self.asked.set()
        self._hurried.set()

    def _on_lifeline(self, lifeline: int) -> None:
        if not os.read(lifeline, 64):
            asyncio.get_running_loop().remove_reader(lifeline)
            self._hurry()


def _leave_in_any_case(stop: _Stop, folder: StoreDirectory) -> None:
    """End the process if cleaning up does not: a thread may be inside a long native call."""

    def leave() -> None:
        folder.leave()
        os._exit(stop.exit_code)

    guard = threading.Timer(_CLEAN_UP_SECS, leave)
    guard.daemon = True
    guard.start()
