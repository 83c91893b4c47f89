"""The messages of one answer, sent as fast as its client takes them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Protocol, TypeVar

from aiohttp import web

from musetalk_fast.server.error_responses import RefusalError, refusal_of
from musetalk_fast.server.gone_client import GoneClientError, from_client
from musetalk_fast.server.services import Services
from musetalk_fast.threads import run_in_thread
from musetalk_fast.wire.media_types import STREAM_MEDIA_TYPES, accepted_by
from musetalk_fast.wire.messages import Heartbeat, Message, Progress
from musetalk_fast.wire.stream_encoder import StreamEncoder

T = TypeVar("T")

_GRACE_SECS = 1.0
"""A preparation that fails within this time is refused with a status of its own."""
_TICK_SECS = 0.5
"""How often to look whether there is something to send."""
_ENCODE_SECS = 0.5
"""Messages are encoded together for so long, or until one took longer."""

_WRITE_BYTES = 1 << 18
"""At a time: a transport under TLS passes on all that it has at once, and counts none of it."""


class Encoder(Protocol):
    """Messages as bytes: of a wire, or of `POST /infer`."""

    @property
    def media_type(self) -> str:
        """Of the response."""
        ...

    def encode(self, message: Message) -> bytes:
        """The next message."""
        ...

    def end(self, count: int, details: Mapping[str, Any] | None = None) -> bytes:
        """The `end`."""
        ...


class MessageResponse:
    """Writes messages and keeps the connection alive while there are none.

    A write waits until the client has taken what came before it, so that nothing piles up here.

    Args:
        request: which it responds to.
        encoder: how messages look as bytes.
    """

    def __init__(self, request: web.Request, encoder: Encoder, services: Services) -> None:
        self._request = request
        self._limits = services.limits
        self._threads = services.encoders
        self._metrics = services.metrics
        self._awaited = services.limiter.awaited
        self._encoder = encoder
        self._response = web.StreamResponse(
            headers={
                "Content-Type": encoder.media_type,
                "Cache-Control": "no-store, no-transform",
                "X-Accel-Buffering": "no",  # nginx would hold back messages
            }
        )
        self._loop = asyncio.get_running_loop()
        self._last_write = self._loop.time()
        self._encoding = threading.Lock()
        self._encoded: list[bytes] = []
        self._unwritten: deque[bytes | memoryview] = deque()
        self._writing: asyncio.Future[None] | None = None
        self._is_over = False
        self._has_ended = False

    async def run(self, work: Callable[[MessageResponse], Awaitable[None]]) -> web.StreamResponse:
        """Do the work that writes here; an error becomes the stream's last message.

        Raises:
            GoneClientError: the client has disconnected.
            Exception: the work failed before the response began.
        """
        with self._awaited():
            return await self._run(work)

    async def _run(self, work: Callable[[MessageResponse], Awaitable[None]]) -> web.StreamResponse:
        try:
            await work(self)
        except GoneClientError:
            raise
        except Exception as error:
            if not self._response.prepared:
                raise
            await self._refuse(refusal_of(error))
        with from_client():
            await self._written()
            await self._response.write_eof()
        return self._response

    async def _refuse(self, refusal: RefusalError) -> None:
        """Make it the last message of the stream."""
        if self._has_ended:
            return  # cancelled while the client took the `end`: it has everything
        self._metrics.refused(refusal.code)
        for piece in await run_in_thread(self._stop_encoding):
            await self._write(piece)
        await self._write(self._encoder.encode(refusal.to_message()))

    async def send(self, message: Message) -> None:
        """Write one small message."""
        await self._write(self._encoder.encode(message))

    async def send_all(self, messages: Iterable[Message]) -> None:
        """Make and encode messages in a thread, some at a time, and write them.

        There are heartbeats in between: for a very large picture a single message takes seconds.
        """
        making, are_more = iter(messages), True
        while are_more:
            work = self._loop.run_in_executor(self._threads, self._encode_some, making)
            try:
                while not work.done():
                    await asyncio.wait([work], timeout=_TICK_SECS)
                    await self._write_encoded(with_heartbeat=not work.done())
                await self._write_encoded(with_heartbeat=False)
                are_more = work.result()
            finally:
                work.cancel()

    def _encode_some(self, messages: Iterator[Message]) -> bool:
        """Those that can be had in a short time, or one; whether there may be more. In a thread."""
        with self._metrics.stage("encode"):
            return self._encode_until(messages, time.monotonic() + _ENCODE_SECS)

    def _encode_until(self, messages: Iterator[Message], until: float) -> bool:
        for message in messages:
            with self._encoding:
                if self._is_over:
                    return False
                self._encoded.append(self._encoder.encode(message))
            if time.monotonic() >= until:
                return True
        return False

    def _stop_encoding(self) -> list[bytes | memoryview]:
        """What was encoded and not yet written; nothing is encoded after it. In a thread.

        The work may have been cancelled while messages were made.
        """
        with self._encoding:
            self._is_over = True
            return [*self._unwritten, *self._encoded]

    async def _write_encoded(self, *, with_heartbeat: bool) -> None:
        # The encoder counts messages in the order in which they are sent. It is not waited for.
        if not self._encoding.acquire(blocking=False):
            return
        try:
            self._unwritten += chain.from_iterable(map(_pieces, self._encoded))
            self._encoded = []
            if with_heartbeat and not self._unwritten and self._is_silent:
                self._unwritten.append(self._encoder.encode(Heartbeat()))
        finally:
            self._encoding.release()
        # A cancelled write has taken its piece; those behind it are still to come.
        while self._unwritten:
            await self._write(self._unwritten.popleft())

    @property
    def _is_silent(self) -> bool:
        """Whether a heartbeat is due."""
        return self._loop.time() - self._last_write >= self._limits.heartbeat_secs - _TICK_SECS

    async def end(self, count: int, details: Mapping[str, Any] | None = None) -> None:
        """Write the `end`; no error is written after it."""
        last = self._encoder.end(count, details)
        self._has_ended = True
        await self._write(last)

    async def during(
        self, work: Awaitable[T], progress: Callable[[], Progress | None] = lambda: None
    ) -> T:
        """Wait for work; send its progress and heartbeats if it takes long.

        The work is cancelled where the client goes away.
        """
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait([task], timeout=_GRACE_SECS)
            last: Progress | None = None
            while not task.done():
                last = await self._emit(progress(), last)
                await asyncio.wait([task], timeout=_TICK_SECS)
            return task.result()
        finally:
            if not task.cancel() and not task.cancelled():
                task.exception()  # seen, where the client went in the same moment

    async def _emit(self, progress: Progress | None, last: Progress | None) -> Progress | None:
        if progress is not None and progress != last:
            await self.send(progress)
        elif self._is_silent:
            await self.send(Heartbeat())
        return progress

    async def _write(self, piece: bytes | memoryview) -> None:
        with from_client():
            if not self._response.prepared:
                await self._response.prepare(self._request)
            await self._written()  # one that was cancelled
            self._writing = asyncio.ensure_future(self._response.write(piece))
            self._writing.add_done_callback(_see_error)
            await self._written()
        self._metrics.sent(len(piece))
        self._last_write = self._loop.time()

    async def _written(self) -> None:
        """Wait for the write under way, which goes on if the wait is cancelled.

        All drains of a connection wait for one future of aiohttp's: were it cancelled, every later
        write to a slow client would be.
        """
        if self._writing is not None:
            await asyncio.shield(self._writing)
            self._writing = None


def _see_error(work: asyncio.Future[None]) -> None:
    """Nobody may wait for it any more."""
    if not work.cancelled():
        work.exception()


def _pieces(message: bytes) -> Iterator[bytes | memoryview]:
    if len(message) <= _WRITE_BYTES:
        yield message
        return
    for start in range(0, len(message), _WRITE_BYTES):
        yield memoryview(message)[start : start + _WRITE_BYTES]


def wire_encoder(request: web.Request) -> StreamEncoder:
    """The wire that `Accept` chooses; see `media_types.accepted_by`.

    Raises:
        RefusalError: 406, the client takes none of ours.
    """
    wire = accepted_by(request.headers.get("Accept", "*/*"))
    if wire is None:
        raise RefusalError(
            406, "MTF-REQUEST-ACCEPT", "no wire for this Accept", " or ".join(STREAM_MEDIA_TYPES)
        )
    return StreamEncoder(wire)
