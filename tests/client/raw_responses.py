"""A server on loopback that answers every request in the way a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(answer: Answer, timeout_secs: float = 10.0) -> AsyncIterator[Connection]:
    """Run the server; gives a connection to it."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with Connection(parse_address(f"http://{host}:{port}"), timeout_secs) as connection:
            yield connection
    finally:
        await runner.cleanup()
