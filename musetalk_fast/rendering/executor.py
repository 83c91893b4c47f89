"""Runs the servers and encoders that make the segments of one render."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from functools import partial

from musetalk_fast.client.pool import Member, Pool
from musetalk_fast.errors import ProtocolError, ServerError
from musetalk_fast.events import Event, OnEvent, WarningEvent
from musetalk_fast.planning import Segment
from musetalk_fast.planning.concurrency import choose_concurrency, processors
from musetalk_fast.rendering.encode import SegmentEncoder
from musetalk_fast.rendering.encoder_slots import EncoderSlots
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.rendering.load_balancer import LoadBalancer
from musetalk_fast.rendering.progress import ProgressReporter, failure_event, segment_event
from musetalk_fast.rendering.scheduler import Scheduler
from musetalk_fast.rendering.segment import ActiveSegment, Encode
from musetalk_fast.rendering.session import Session
from musetalk_fast.rendering.worker import Worker
from musetalk_fast.tasks import cancel_and_wait
from musetalk_fast.video.parts import Part

_POLL_INTERVAL_SECS = 1.0

MAX_STREAMS = 32
"""Active segments at a time, each with a thread and its encoder's memory."""


async def make_parts(
    job: RenderJob,
    pool: Pool,
    segments: Sequence[Segment],
    retries: int,
    on_event: OnEvent,
    slots: EncoderSlots | None = None,
) -> dict[int, Part]:
    """The parts of these segments, by number, with as many encoders as suit the machine.

    Args:
        retries: consecutive failures after which a server or a segment is given up.
        slots: what it shares with other renders at work; None: it is alone.

    Raises:
        errors.ServerError, errors.InputError: no server is left.
        errors.OutputError: a part could not be encoded or written.
    """
    in_software = job.plan.encoder.in_software
    encoders = choose_concurrency(len(segments), processors(), in_software=in_software).encoders
    executor = SegmentExecutor(job, pool, encoders, retries, on_event, slots)
    parts = await executor.make(segments)
    if note := job.inputs.avatar.missing_note:
        on_event(WarningEvent(message=note, token="MTF-AVATAR-DAMAGED"))
    return parts


class SegmentExecutor:
    """Makes the parts of segments.

    Args:
        pool: the servers; each gets as many streams as keep the encoders busy.
        encoders: that keep the processors busy.
        retries: consecutive failures after which a server or a segment is given up.
        slots: what it shares with other renders at work; None: it is alone.
    """

    def __init__(
        self,
        job: RenderJob,
        pool: Pool,
        encoders: int,
        retries: int,
        on_event: OnEvent,
        slots: EncoderSlots | None = None,
    ) -> None:
        self._job = job
        self._pool = pool.again()
        self._slots = slots
        self._retries = retries
        self._listener = on_event
        self._scheduler: Scheduler | None = None
        members = len(pool.members)
        # A server that waits for an encoder is idle: never fewer streams than servers.
        self._limit = min(MAX_STREAMS, max(encoders, members))
        self._streams = -(-self._limit // members)

    async def make(self, segments: Sequence[Segment]) -> dict[int, Part]:
        """The parts of these segments, by number.

        Raises:
            errors.ServerError, errors.InputError: no server is left.
            errors.OutputError: a part could not be encoded or written.
            errors.ThreadLimitError: the system starts too few threads.
            BaseException: what `on_event` raises.
        """
        with ExitStack() as stack:
            slots = self._slots or stack.enter_context(EncoderSlots(self._limit))
            begin = partial(self._begin, SegmentEncoder(self._job), slots.threads)
            attempts = (self._retries + 1) * len(self._pool.members)
            scheduler = Scheduler(
                *(segments, self._limit, begin, attempts, self._emit, self._emit_corrupt, slots),
                self._balancer(),
            )
            stack.enter_context(slots.shared_by(scheduler))
            self._scheduler = scheduler
            await self._make(scheduler, sum(segment.frames for segment in segments))
        return scheduler.parts

    async def _make(self, scheduler: Scheduler, frames: int) -> None:
        try:
            async with ProgressReporter(frames, scheduler, self._on_event).running():
                await self._run(scheduler)
        except ServerError:
            await scheduler.wait_for_complete()  # what was made is kept for the next run
            raise
        finally:
            await scheduler.close()

    def _balancer(self) -> LoadBalancer | None:
        """Of the servers, where other renders at work use them, too."""
        if self._slots is None:
            return None
        return LoadBalancer(-(-self._slots.limit // len(self._pool.members)))

    def _begin(self, encode: Encode, threads: Executor, segment: Segment) -> ActiveSegment:
        manifest = self._job.state.manifest
        return ActiveSegment(
            segment,
            encode,
            threads,
            full_frames=manifest is not None and manifest.makes_full_frames,
        )

    async def _run(self, scheduler: Scheduler) -> None:
        workers = [asyncio.ensure_future(worker.run()) for worker in self._workers(scheduler)]
        try:
            while not scheduler.finished.done():
                working = [worker for worker in workers if not worker.done()]
                await asyncio.wait(
                    {scheduler.finished, *working},
                    timeout=_POLL_INTERVAL_SECS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                # Once all frames have come, a failing server does not matter, unless some of
                # them turn out to be corrupt.
                if scheduler.needs_frames and not scheduler.finished.done():
                    self._check(workers)
            scheduler.finished.result()
        finally:
            await cancel_and_wait(workers)

    def _check(self, workers: Sequence[asyncio.Task[None]]) -> None:
        """Raise what a worker has failed with, or that none is running."""
        ended = [worker for worker in workers if worker.done()]
        for worker in ended:
            worker.result()
        if len(ended) == len(workers):
            self._pool.check()

    def _workers(self, scheduler: Scheduler) -> Iterable[Worker]:
        full_frames = asyncio.Lock()
        for member in self._pool.members:
            session = Session(member, self._job, self._on_event)
            for _ in range(self._streams_for(member)):
                yield Worker(member, session, self._pool, scheduler, full_frames, self._on_event)

    def _streams_for(self, member: Member) -> int:
        server = member.opened
        return self._streams if server is None else min(self._streams, server.info.max_streams)

    def _on_event(self, event: Event) -> None:
        """Pass an event on; a listener that raises ends the render, wherever it is called from."""
        try:
            self._listener(event)
        except BaseException as error:
            if self._scheduler is not None:
                self._scheduler.fail(error)
            raise

    def _emit_corrupt(self, member: Member, error: ProtocolError) -> None:
        self._on_event(failure_event(error, member.corrupted(error)))

    def _emit(self, segment: Segment, part: Part) -> None:
        self._on_event(segment_event(segment, part))
