"""One stream after another from one server, for as long as the render needs it."""

from __future__ import annotations

import asyncio
import math

from musetalk_fast.client.pool import MAX_ASKED_SECS, Member, Pool
from musetalk_fast.errors import (
    InputError,
    MuseTalkError,
    ServerBusyError,
    ServerError,
    ServerSlowError,
)
from musetalk_fast.planning import OnEvent
from musetalk_fast.rendering.board import Board
from musetalk_fast.rendering.feed import Feed
from musetalk_fast.rendering.handover import HandoverClosedError
from musetalk_fast.rendering.provision import Provision
from musetalk_fast.rendering.source import Source
from musetalk_fast.rendering.telling import failure_event
from musetalk_fast.rendering.together import end

_LOOK_SECS = 1.0
_PATIENCE_SECS = 15.0
_FAR_BEHIND = 8.0
"""A stream this many times slower than the fastest server's is given up after some time."""


class Lane:
    """Takes segments from the scheduler for one server.

    Args:
        session: has the server ready for this render.
        pool: of which the server is a member.
        whole: held by the worker whose server makes whole frames, all of them in one answer.
    """

    def __init__(
        self,
        member: Member,
        provision: Provision,
        pool: Pool,
        board: Board,
        whole: asyncio.Lock,
        on_event: OnEvent,
    ) -> None:
        self._member = member
        self._provision = provision
        self._pool = pool
        self._board = board
        self._whole = whole
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._began = math.inf

    async def run(self) -> None:
        """Work until cancelled, or until the server is left out.

        Raises:
            errors.MuseTalkError: no server is left.
        """
        while not self._member.excluded:
            await self._member.wait_backoff()
            self._began = math.inf  # of several workers one at a time makes it ready
            try:
                if not await self._provision.ready():
                    return
                if self._provision.makes_whole_frames:
                    await self._take_all()
                else:
                    await self._take_next()
            except (ServerError, InputError) as error:
                await self._blame(error)

    async def _take_next(self) -> None:
        """Work at a segment, unless another worker finds meanwhile that the server must rest."""
        feed = await self._board.next_for(self._member)
        if feed is not None:
            self._began = self._loop.time()
            await self._stream(feed)

    async def _take_all(self) -> None:
        async with self._whole:
            if await self._board.lacks_frames(self._member):  # since another worker had its turn
                self._began = self._loop.time()
                await self._stream_all()

    async def _stream(self, feed: Feed) -> None:
        """Have the server send the rest of a segment."""
        source = Source(self._member)
        feed.sources.append(source)
        streaming = source.start(self._receive(feed, source))
        try:
            await self._follow(source, streaming)
        except MuseTalkError as error:
            self._board.returned(feed, error)
            raise
        finally:
            feed.sources.remove(source)

    async def _stream_all(self) -> None:
        """Have the server send every frame; those that are parts already are dropped."""
        source = Source(self._member)
        await self._follow(source, source.start(self._receive_all(source)))

    async def _follow(self, source: Source, streaming: asyncio.Task[None]) -> None:
        """Watch a stream until it ends, whatever it ends with."""
        self._member.streams += 1
        try:
            while not streaming.done():
                if self._is_left_behind(source):
                    return
                await asyncio.wait([streaming], timeout=_LOOK_SECS)
            if not streaming.cancelled():
                streaming.result()
                self._member.worked(source.frames, source.secs)
        except HandoverClosedError:
            pass  # its encoding thread has ended; the scheduler knows why
        except MuseTalkError:
            if source.taken:  # a step forward: the next failure is a first one again
                self._member.worked(source.frames, source.secs)
            raise
        finally:
            self._member.streams -= 1
            await end([streaming])

    async def _receive(self, feed: Feed, source: Source) -> None:
        async with self._provision.open_frames(feed.segment, feed.due) as stream:
            async for frames in stream:
                source.came(len(frames))
                with source.held():
                    await feed.offer(frames, source)

    async def _receive_all(self, source: Source) -> None:
        async with self._provision.open_whole_frames() as stream:
            async for frames in stream:
                source.came(len(frames))
                with source.held():
                    for frame in frames:
                        feed = self._board.feed_of(frame.index)
                        if feed is not None:
                            await feed.offer([frame], source)

    def _is_left_behind(self, source: Source) -> bool:
        """Whether others should rather have its segment; then it rests, longer each time."""
        best = self._pool.best_throughput(self._member)
        if best is None or source.secs < _PATIENCE_SECS or source.pace * _FAR_BEHIND > best:
            return False
        error = ServerSlowError(
            f"makes {source.pace:.1f} frames a second where another makes {best:.0f}",
            where=self._member.name,
        )
        self._on_event(failure_event(error, self._member.lagged(error)))
        return True

    async def _blame(self, error: MuseTalkError) -> None:
        """Count a failure of the server."""
        if isinstance(error, ServerBusyError) and self._member.streams:
            # It works for us as much as it can; this stream is one too many for now.
            self._member.saturated(min(error.retry_after or _LOOK_SECS, MAX_ASKED_SECS))
            return
        self._provision.spoil()
        secs = self._member.failed(error, self._began)
        if self._board.hungry:
            self._pool.check()
        self._on_event(failure_event(error, secs))
