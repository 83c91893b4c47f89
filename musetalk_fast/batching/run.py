"""Runs a list of jobs on the same servers, several at a time; a failure stops no other job."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from musetalk_fast.batching.batch_job import Job
from musetalk_fast.batching.finished import FinishedVideos
from musetalk_fast.batching.outcome import BatchListener, Outcome, failed
from musetalk_fast.batching.recording_length import shortest_first
from musetalk_fast.batching.stop_conditions import (
    FailedFastError,
    check_folders,
    loses_servers,
    servers_gone,
)
from musetalk_fast.config import DEFAULT_SERVER, ServerSettings, Settings
from musetalk_fast.errors import MuseTalkError, OutputWriteError, ServersLostError
from musetalk_fast.planning import Plan
from musetalk_fast.planning.concurrency import MAX_ENCODERS, choose_concurrency, processors
from musetalk_fast.rendering import Renderer
from musetalk_fast.rendering.encoder_slots import EncoderSlots
from musetalk_fast.rendering.executor import MAX_STREAMS
from musetalk_fast.rendering.loading import RenderRequest
from musetalk_fast.rendering.servers import any_answers
from musetalk_fast.rendering.shared_avatars import SharedAvatars
from musetalk_fast.tasks import cancel_and_wait
from musetalk_fast.threads import run_in_thread
from musetalk_fast.types import EngineIdentity


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a batch is run.

    Attributes:
        at_once: jobs at work at a time; None: so many that servers and encoders never wait while
            others load their inputs or join their parts.
        fail_fast: begin no other job after one has failed, and stop those at work.
    """

    at_once: int | None = None
    fail_fast: bool = False


_STREAMS = 2
"""Of a server: a clip is short, and until it is asked for the next one it would be idle."""

_BESIDE = 2
"""Jobs that load their inputs or join their parts, while others have all streams; at many streams,
half as many."""


async def render_all(
    jobs: Sequence[Job],
    listener: BatchListener,
    finished: FinishedVideos,
    options: BatchOptions = BatchOptions(),
) -> None:
    """Render the jobs, those with the shortest recordings first; the listener gets the outcomes.

    Raises:
        errors.ServerError: servers cannot be opened; if none was chosen, the default one.
        errors.ServersLostError: after a job has failed, none of its servers answers.
        errors.OutputWriteError: a folder for the videos cannot be made, or takes no more.
    """
    async with AsyncExitStack() as stack:
        batch = _Batch(stack, listener, finished, options, jobs)
        await batch.open_servers(jobs)
        await run_in_thread(partial(make_folders, {job.output.parent for job in jobs}))
        batch.waiting.extend(await run_in_thread(partial(shortest_first, jobs)))
        count = min(batch.at_once, len(jobs))
        workers = [asyncio.ensure_future(batch.work()) for _ in range(count)]
        try:
            await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            for worker in workers:
                if worker.done():
                    worker.result()
        except FailedFastError:
            listener.interrupt()
        except (asyncio.CancelledError, ServersLostError, OutputWriteError):
            listener.interrupt()
            raise
        finally:
            await cancel_and_wait(workers)


class _Batch:
    """What the jobs of a batch share.

    Attributes:
        waiting: jobs that nobody has begun.
    """

    def __init__(
        self,
        stack: AsyncExitStack,
        listener: BatchListener,
        finished: FinishedVideos,
        options: BatchOptions,
        jobs: Sequence[Job],
    ) -> None:
        self._stack = stack
        self._listener = listener
        self._finished = finished
        self._options = options
        segments = _segments_at_once(jobs)
        beside = max(_BESIDE, segments // 2)
        self.at_once = min(len(jobs), options.at_once or segments + beside)
        self.waiting: deque[Job] = deque()
        self._left = {job.name: job for job in jobs}
        slots = EncoderSlots(segments, lambda: bool(self.waiting))
        self._slots = stack.enter_context(slots)
        self._avatars = SharedAvatars()
        self._renderers: dict[tuple[ServerSettings, int], Renderer] = {}

    async def open_servers(self, jobs: Iterable[Job]) -> None:
        """Open those of all jobs."""
        for job in jobs:
            key = _key(job.settings)
            if key not in self._renderers:
                on_event = partial(self._listener.event, None)
                renderer = Renderer(job.settings, on_event, fallback=False, slots=self._slots)
                self._renderers[key] = await self._stack.enter_async_context(renderer)
                await renderer.connect()

    async def work(self) -> None:
        """Render one job after the other."""
        while self.waiting:
            job = self.waiting.popleft()
            self._listener.begin(job)
            outcome = await self._render(job)
            del self._left[job.name]
            self._listener.end(outcome)
            if outcome.error is not None:
                await self._check(job, outcome.error)

    async def _check(self, job: Job, error: MuseTalkError) -> None:
        """Whether to go on after this job has failed."""
        if loses_servers(error) and not await any_answers(job.settings):
            raise servers_gone(error)
        await run_in_thread(partial(check_folders, error, list(self._left.values())))
        if self._options.fail_fast:
            raise FailedFastError

    async def _render(self, job: Job) -> Outcome:
        try:
            renderer = self._renderers[_key(job.settings)]
            request = self._request(job, await renderer.connect())
            result = await renderer.carry_out(request)
        except Exception as error:  # noqa: BLE001 - see `failed`
            return failed(job, error)
        if isinstance(result, Plan):
            return Outcome(job, kept=result)
        return Outcome(job, result=result)

    def _request(self, job: Job, engines: tuple[EngineIdentity, ...]) -> RenderRequest:
        return RenderRequest(
            avatar=job.avatar,
            audio=job.audio,
            output=job.output,
            settings=job.settings,
            on_event=partial(self._listener.event, job),
            fresh=job.fresh,
            beside=self.at_once,
            avatars=self._avatars,
            is_done=partial(self._is_done, job, engines),
        )

    def _is_done(self, job: Job, engines: tuple[EngineIdentity, ...], plan: Plan) -> bool:
        return not job.fresh and any(self._finished.holds(plan, engine) for engine in engines)


def _key(settings: Settings) -> tuple[ServerSettings, int]:
    """Of what a renderer's servers are made."""
    return settings.server, settings.processing.max_retries


def _segments_at_once(jobs: Iterable[Job]) -> int:
    """As many as there are processors for their encoders, and enough to keep the servers busy."""
    servers = {url for job in jobs for url in job.settings.server.url or (DEFAULT_SERVER,)}
    encoders = choose_concurrency(len(servers) + MAX_ENCODERS, processors()).encoders
    return min(MAX_STREAMS, max(encoders, _STREAMS * len(servers)))


def make_folders(folders: Iterable[Path]) -> None:
    """Make the folders for the videos.

    Raises:
        errors.OutputWriteError: one cannot be made.
    """
    for folder in folders:
        make_folder(folder)


def make_folder(outputs: Path) -> None:
    """Make the folder for the videos, if it is not there.

    Raises:
        errors.OutputWriteError: it cannot be made.
    """
    try:
        outputs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputWriteError(
            f"cannot make the folder: {error.strerror}", where=str(outputs)
        ) from error
