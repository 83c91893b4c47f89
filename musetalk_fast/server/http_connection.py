"""One client's connection, bounded in time, with error responses of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from musetalk_fast.server.error_responses import RefusalError, refusal_of
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.request_body import leave_unread
from musetalk_fast.server.send_buffers import SendBuffer, SendBuffers
from musetalk_fast.wire.printable import printable

HEADERS = {"Server": "musetalk-fast", "Cache-Control": "no-store"}
"""Of every response that has no others."""


class Connection(web.RequestHandler):
    """aiohttp's protocol with a limit of time for the head of a request.

    Args:
        manager: the application's server.
        send_buffers: of all connections.
    """

    __slots__ = ("_head_secs", "_head_timer", "_is_busy", "_send_buffer", "_send_buffers")

    def __init__(
        self,
        manager: web.Server,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        send_buffers: SendBuffers,
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=limits.idle_secs,
            lingering_time=0,  # `close_unread` does it
            auto_decompress=False,  # a packed body is refused, not unpacked
            access_log=None,  # type: ignore[arg-type]  # as documented
        )
        self._head_secs = limits.head_secs
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_busy = False
        self._send_buffers = send_buffers
        self._send_buffer: SendBuffer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first head is due."""
        super().connection_made(transport)
        self._send_buffer = self._send_buffers.add(cast(asyncio.Transport, transport))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, or of the body of the request that is being served."""
        if not self._is_busy and self._head_timer is None:
            self._await_head()
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nothing is due any more."""
        self._head_came()
        if self._send_buffer is not None:
            self._send_buffers.remove(self._send_buffer)
        super().connection_lost(exc)

    def begin(self, request: web.BaseRequest) -> None:
        """The head of a request is complete; the next one is not awaited before `end`."""
        self._is_busy = True
        self._follow(request)
        self._head_came()

    def end(self) -> None:
        """The request has been served."""
        self._is_busy = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The response to what is no HTTP, and to faults while a response is sent."""
        if request.writer.output_size > 0:
            raise ConnectionError("a response had begun")
        self._follow(request)
        response = _refusal(status, exc, message).response()
        response.headers.update(HEADERS)
        response.force_close()
        return response

    def _follow(self, request: web.BaseRequest) -> None:
        if self._send_buffer is not None:
            self._send_buffer.follow(request.writer)

    def _await_head(self) -> None:
        self._head_timer = self._loop.call_later(self._head_secs, self.force_close)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


@web.middleware
async def close_unread(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Close the connection where a request was answered before all of its body came."""
    connection = request.protocol
    assert isinstance(connection, Connection)
    connection.begin(request)
    try:
        response = await handler(request)
        if not request.content.is_eof():
            response.force_close()
            with suppress(ConnectionError):
                await response.prepare(request)
                await response.write_eof()
                await leave_unread(request)
        return response
    finally:
        connection.end()


def _refusal(status: int, exc: BaseException | None, message: str | None) -> RefusalError:
    if isinstance(exc, HttpProcessingError) or status < 500:
        reason = printable((message or "").partition("\n")[0].rstrip(": "), 100)
        return RefusalError(400, "MTF-REQUEST", f"this is not HTTP/1.1: {reason or 'damaged'}")
    return refusal_of(exc if isinstance(exc, Exception) else RuntimeError(f"status {status}"))
