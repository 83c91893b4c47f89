"""Servers and encoders at work on the segments of one render."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial

from musetalk_fast.client.pool import Member, Pool
from musetalk_fast.errors import ProtocolError, ServerError
from musetalk_fast.planning import OnEvent, Segment
from musetalk_fast.planning.concurrency import choose_concurrency, processors
from musetalk_fast.rendering.board import Board
from musetalk_fast.rendering.encoding import SegmentEncoding
from musetalk_fast.rendering.feed import Encode, Feed
from musetalk_fast.rendering.lane import Lane
from musetalk_fast.rendering.progress import Meter
from musetalk_fast.rendering.provision import Provision
from musetalk_fast.rendering.telling import failure_event, segment_event
from musetalk_fast.rendering.together import end
from musetalk_fast.rendering.work import Work
from musetalk_fast.video.parts import Part

_LOOK_SECS = 1.0

MAX_STREAMS = 32
"""Segments in the making at a time, each with a thread and its encoder's memory."""


async def make_parts(
    work: Work, pool: Pool, segments: Sequence[Segment], retries: int, on_event: OnEvent
) -> dict[int, Part]:
    """The parts of these segments, by number, with as many encoders as the machine is good for.

    Args:
        retries: failures in a row after which a server or a segment is given up.

    Raises:
        errors.ServerError, errors.InputError: no server is left.
        errors.OutputError: a part could not be encoded or written.
    """
    in_software = work.plan.encoder.in_software
    encoders = choose_concurrency(len(segments), processors(), in_software=in_software).encoders
    return await Crew(work, pool, encoders, retries, on_event).make(segments)


class Crew:
    """Makes the parts of segments.

    Args:
        pool: the servers; each gets as many streams as keep the encoders busy.
        encoders: that keep the processors busy.
        retries: failures in a row after which a server or a segment is given up.
    """

    def __init__(
        self, work: Work, pool: Pool, encoders: int, retries: int, on_event: OnEvent
    ) -> None:
        self._work = work
        self._pool = pool
        self._retries = retries
        self._on_event = on_event
        members = len(pool.members)
        # A server that waits for an encoder is idle: never fewer streams than servers.
        self._limit = min(MAX_STREAMS, max(encoders, members))
        self._streams = -(-self._limit // members)

    async def make(self, segments: Sequence[Segment]) -> dict[int, Part]:
        """The parts of these segments, by number.

        Raises:
            errors.ServerError, errors.InputError: no server is left.
            errors.OutputError: a part could not be encoded or written.
        """
        threads = ThreadPoolExecutor(self._limit, "encode")
        begin = partial(self._begin, SegmentEncoding(self._work), threads)
        attempts = (self._retries + 1) * len(self._pool.members)
        board = Board(segments, self._limit, begin, attempts, self._tell, self._tell_garbage)
        for member in self._pool.members:
            member.reset()
        frames = sum(segment.frames for segment in segments)
        try:
            async with Meter(frames, board, self._on_event).running():
                await self._run(board)
        except ServerError:
            await board.finish_full()  # what was made is kept for the next run
            raise
        finally:
            await board.close()
            threads.shutdown(wait=False)
        return board.parts

    def _begin(self, encode: Encode, threads: Executor, segment: Segment) -> Feed:
        settled = self._work.record.settled
        return Feed(segment, encode, threads, whole=settled is not None and settled.makes_whole)

    async def _run(self, board: Board) -> None:
        lanes = [asyncio.ensure_future(lane.run()) for lane in self._lanes(board)]
        try:
            while not board.finished.done():
                working = [lane for lane in lanes if not lane.done()]
                await asyncio.wait(
                    {board.finished, *working},
                    timeout=_LOOK_SECS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                # A server that fails when all frames are there matters to nobody, unless some of
                # them turn out to be garbage.
                if board.hungry and not board.finished.done():
                    self._check(lanes)
            board.finished.result()
        finally:
            await end(lanes)

    def _check(self, lanes: Sequence[asyncio.Task[None]]) -> None:
        """Raise what a worker has failed with, or that none is at work any more."""
        ended = [lane for lane in lanes if lane.done()]
        for lane in ended:
            lane.result()
        if len(ended) == len(lanes):
            self._pool.check()

    def _lanes(self, board: Board) -> Iterable[Lane]:
        whole = asyncio.Lock()
        for member in self._pool.members:
            provision = Provision(member, self._work, self._on_event)
            for _ in range(self._streams_of(member)):
                yield Lane(member, provision, self._pool, board, whole, self._on_event)

    def _streams_of(self, member: Member) -> int:
        server = member.opened
        return self._streams if server is None else min(self._streams, server.info.max_streams)

    def _tell_garbage(self, member: Member, error: ProtocolError) -> None:
        self._on_event(failure_event(error, member.corrupted(error)))

    def _tell(self, segment: Segment, part: Part) -> None:
        self._on_event(segment_event(segment, part))
