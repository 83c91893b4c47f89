"""Streams segments from one server, for as long as the render needs it."""

from __future__ import annotations

import asyncio
import math

from musetalk_fast.client.backoff import MAX_RETRY_AFTER_SECS
from musetalk_fast.client.pool import Member, Pool
from musetalk_fast.errors import (
    InputError,
    MuseTalkError,
    ServerBusyError,
    ServerError,
    ServerSlowError,
)
from musetalk_fast.events import OnEvent
from musetalk_fast.rendering.frame_queue import QueueClosedError
from musetalk_fast.rendering.progress import failure_event
from musetalk_fast.rendering.scheduler import Scheduler
from musetalk_fast.rendering.segment import ActiveSegment, StreamStats
from musetalk_fast.rendering.session import Session
from musetalk_fast.tasks import cancel_and_wait
from musetalk_fast.wire.messages import Frame

_POLL_INTERVAL_SECS = 1.0
_GRACE_SECS = 15.0
_SLOW_FACTOR = 8.0
"""A stream this many times slower than the fastest server's is given up."""


class Worker:
    """Takes segments from the scheduler for one server.

    Args:
        session: prepares the server for this render.
        pool: of which the server is a member.
        full_frames: lock of the one worker that streams full frames, all of them in one response.
    """

    def __init__(
        self,
        member: Member,
        session: Session,
        pool: Pool,
        scheduler: Scheduler,
        full_frames: asyncio.Lock,
        on_event: OnEvent,
    ) -> None:
        self._member = member
        self._session = session
        self._pool = pool
        self._scheduler = scheduler
        self._infer_lock = full_frames
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._began = math.inf

    async def run(self) -> None:
        """Run until cancelled, or until the server is excluded.

        Raises:
            errors.MuseTalkError: no server is left.
        """
        while not self._member.excluded:
            await self._member.wait_backoff()
            self._began = math.inf  # of several workers one at a time sets it up
            try:
                if not await self._session.ready():
                    return
                if self._session.uses_infer:
                    await self._work_infer()
                else:
                    await self._work_next()
            except (ServerError, InputError) as error:
                await self._handle_failure(error)

    async def _work_next(self) -> None:
        """Stream a segment, unless another worker finds that the server has to back off."""
        active = await self._scheduler.next_segment(self._member)
        if active is not None:
            self._began = self._loop.time()
            await self._stream(active)

    async def _work_infer(self) -> None:
        async with self._infer_lock:
            # Another worker had its turn meanwhile.
            if await self._scheduler.wait_until_frames_needed(self._member):
                self._began = self._loop.time()
                await self._stream_all()

    async def _stream(self, active: ActiveSegment) -> None:
        """Stream the remaining frames of a segment."""
        stats = StreamStats(self._member)
        active.streams.append(stats)
        streaming = stats.start(self._receive(active, stats))
        try:
            await self._watch_stream(stats, streaming)
        except MuseTalkError as error:
            self._scheduler.stream_failed(active, error)
            raise
        finally:
            active.streams.remove(stats)

    async def _stream_all(self) -> None:
        """Stream every frame; those of finished segments are dropped."""
        stats = StreamStats(self._member)
        await self._watch_stream(stats, stats.start(self._receive_all(stats)))

    async def _watch_stream(self, stats: StreamStats, streaming: asyncio.Task[None]) -> None:
        """Watch a stream until it ends, whatever it ends with."""
        self._member.stream_begins()
        try:
            while not streaming.done():
                if self._is_too_slow(stats):
                    return
                await asyncio.wait([streaming], timeout=_POLL_INTERVAL_SECS)
            if not streaming.cancelled():
                streaming.result()
                self._member.worked(stats.frames, stats.secs)
        except QueueClosedError:
            pass  # its encoding thread has ended; the scheduler knows why
        except MuseTalkError:
            if stats.accepted:  # progress resets the backoff
                self._member.worked(stats.frames, stats.secs)
            raise
        finally:
            self._member.stream_ended()
            self._scheduler.stream_ended()
            await cancel_and_wait([streaming])

    async def _receive(self, active: ActiveSegment, stats: StreamStats) -> None:
        async with self._session.open_frames(active.segment, active.next_index) as stream:
            async for frames in stream:
                if isinstance(frames[0], Frame):  # others cost their server nothing
                    stats.record_frames(len(frames))
                with stats.blocked():
                    await active.offer(frames, stats)

    async def _receive_all(self, stats: StreamStats) -> None:
        async with self._session.open_full_frames() as stream:
            async for frames in stream:
                stats.record_frames(len(frames))
                with stats.blocked():
                    for frame in frames:
                        active = self._scheduler.segment_of(frame.index)
                        if active is not None:
                            await active.offer([frame], stats)

    def _is_too_slow(self, stats: StreamStats) -> bool:
        """Whether another server should take over; then it backs off, longer each time."""
        best = self._pool.best_throughput(self._member)
        if best is None or stats.secs < _GRACE_SECS or stats.throughput * _SLOW_FACTOR > best:
            return False
        error = ServerSlowError(
            f"makes {stats.throughput:.1f} frames a second where another makes {best:.0f}",
            where=self._member.name,
        )
        self._on_event(failure_event(error, self._member.lagged(error)))
        return True

    async def _handle_failure(self, error: MuseTalkError) -> None:
        """Count a failure of the server."""
        if isinstance(error, ServerBusyError) and self._member.link.streams:
            # It serves as many streams as it can; this one is too many for now.
            asked = min(error.retry_after or 0.0, MAX_RETRY_AFTER_SECS)
            self._member.saturated(max(asked, _POLL_INTERVAL_SECS))
            return
        self._session.invalidate()
        secs = self._member.failed(error, self._began)
        if self._scheduler.needs_frames:
            self._pool.check()
        self._on_event(failure_event(error, secs))
