"""One server process: sockets, signals and the parent's lifeline."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from musetalk_fast.engines.base import MakeEngine
from musetalk_fast.server.app import create_app
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.services import SERVICES
from musetalk_fast.server.sockets import open_socket
from musetalk_fast.server.store_directory import StoreDirectory, store_directory

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
        api_key: what requests must carry; None: no key is needed.
        tls: serve https at the TCP address.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    socket: Path | None = None
    store_dir: Path | None = None
    runtime_dir: Path | None = None
    lifeline: int | None = None
    api_key: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


def serve(
    make_engine: MakeEngine, options: ServerOptions, limits: Limits, announce: Callable[[str], None]
) -> int | None:
    """Serve until SIGTERM (running streams may finish), SIGINT or the end of the lifeline.

    Args:
        announce: called with `http(s)://HOST:PORT` or `unix:/PATH` once the engine is loaded.

    Returns:
        The signal that cut running streams short, or None.

    Raises:
        UsageError: the address or the store folder cannot be used.
        Exception: what the engine raised while it was loaded.
    """
    logging.getLogger("aiohttp.server").addFilter(_is_our_fault)
    with store_directory(options.store_dir, options.runtime_dir) as folder:
        work = _serve(make_engine, options, folder, limits, announce)
        return uvloop.run(work)


async def _serve(
    make_engine: MakeEngine,
    options: ServerOptions,
    folder: StoreDirectory,
    limits: Limits,
    announce: Callable[[str], None],
) -> int | None:
    app = create_app(make_engine, folder.path, limits, options.api_key)
    stop = _Stop(options.lifeline)
    runner = web.AppRunner(
        app,
        handler_cancellation=True,
        auto_decompress=False,  # bodies come as they are; what refuses the others is in `bodies`
        access_log=None,
        shutdown_timeout=0.1,
    )
    scheme = "https" if options.tls else "http"
    with open_socket(options.host, options.port, options.socket, scheme) as listening:
        try:
            await runner.setup()
            await web.SockSite(runner, listening.socket, ssl_context=options.tls).start()
            services = app[SERVICES]
            if await stop.unless(services.ready):
                announce(listening.address)
                await stop.asked.wait()
            services.draining = True
            await stop.unless_hurried(services.limiter.idle(), limits.drain_secs)
            _leave_in_any_case(stop, folder)
        finally:
            await runner.cleanup()
    return stop.signal


class _Stop:
    """Requests to stop: graceful first, so that running streams may finish, then at once."""

    def __init__(self, lifeline: int | None) -> None:
        self.asked = asyncio.Event()
        self.signal: int | None = None
        self._hurried = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._ask, signal.SIGTERM)
        loop.add_signal_handler(signal.SIGINT, self._hurry, signal.SIGINT)
        if lifeline is not None:
            loop.add_reader(lifeline, self._on_lifeline, lifeline)

    @property
    def exit_code(self) -> int:
        """128 and the signal that cut streams short, or 0."""
        return 0 if self.signal is None else 128 + self.signal

    async def unless(self, ready: asyncio.Future[T]) -> bool:
        """Wait until something is ready: True; or until we shall stop: False."""
        asked = asyncio.ensure_future(self.asked.wait())
        waits: list[asyncio.Future[Any]] = [ready, asked]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if ready.done():
            ready.result()
        return not self.asked.is_set()

    async def unless_hurried(self, idle: Coroutine[Any, Any, None], longest: float) -> None:
        """Wait until nothing is going on, for some time, or until there is no time left."""
        waits: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(idle),
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


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Not malformed HTTP of a client: it gets a 400, and aiohttp would log a traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _leave_in_any_case(stop: _Stop, folder: StoreDirectory) -> None:
    """End the process if cleaning up does not: a thread may be inside a long native call."""

    def leave() -> None:
        folder.leave()
        os._exit(stop.exit_code)

    guard = threading.Timer(_CLEAN_UP_SECS, leave)
    guard.daemon = True
    guard.start()
