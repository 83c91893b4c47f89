"""Renders videos, one after the other or several at a time, with the same servers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from musetalk_fast.config import Settings
from musetalk_fast.errors import PlanError
from musetalk_fast.events import OnEvent
from musetalk_fast.media.piped_input import STANDARD
from musetalk_fast.planning import Plan
from musetalk_fast.rendering.encoder_slots import EncoderSlots
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.rendering.jobdir import JobDirectory, locked_job_directory
from musetalk_fast.rendering.join import join_parts
from musetalk_fast.rendering.loading import RenderRequest, load_job
from musetalk_fast.rendering.pipe_parts import send_as_made
from musetalk_fast.rendering.progress import (
    JoinProgress,
    foreign_event,
    plan_event,
    still_event,
    stopped_event,
)
from musetalk_fast.rendering.result import RenderResult, StageClock, done_event, make_result
from musetalk_fast.rendering.resume import missing_segments
from musetalk_fast.tasks import cancel_and_wait
from musetalk_fast.threads import CancelFlag, call_in_loop, in_threads, run_in_thread
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.containers import place_of
from musetalk_fast.video.mouth_motion import is_still
from musetalk_fast.video.mux import Joined
from musetalk_fast.video.parts import Part

if TYPE_CHECKING:
    from musetalk_fast.client.pool import Pool


class Renderer:
    """Renders one video after another with the same servers; an asynchronous context manager.

    Args:
        settings: how.
        on_event: called with every event, on the event loop's thread.
        fallback: use the built-in engine if no server was chosen and the default does not answer.
        slots: what renders at work at the same time share; None: there is one at a time.

    Examples:
        >>> import asyncio
        >>> from pathlib import Path
        >>> from musetalk_fast import Renderer, ServerSettings, Settings
        >>> async def clips(settings):
        ...     async with Renderer(settings) as renderer:
        ...         inputs = Path("portrait.png"), Path("speech.wav")
        ...         return [(await renderer.render(*inputs, Path("out.mp4"))).frames]
        >>> asyncio.run(clips(Settings(server=ServerSettings(url="builtin"))))
        [75]
    """

    def __init__(
        self,
        settings: Settings | None = None,
        on_event: OnEvent = lambda _event: None,
        *,
        fallback: bool = True,
        slots: EncoderSlots | None = None,
    ) -> None:
        self._slots = slots
        self._settings = settings or Settings()
        self._on_event = on_event
        self._fallback = fallback
        self._stack = AsyncExitStack()
        self._pool: asyncio.Task[Pool] | None = None

    async def __aenter__(self) -> Renderer:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._pool is not None:
                # Its failure was raised where the pool was needed; here it only has to end.
                await cancel_and_wait([self._pool])
        finally:
            await self._stack.aclose()

    async def connect(self) -> tuple[EngineIdentity, ...]:
        """Open the servers now, rather than with the first render.

        Returns:
            The engines of those that answered.

        Raises:
            errors.ServerError: none of them can be opened.
        """
        self._start_servers()
        return (await self._opened_servers()).engines

    async def render(
        self, avatar: Path | str, audio: Path | str, output: Path | str, *, fresh: bool = False
    ) -> RenderResult:
        """Render one video; the output appears only when it is complete.

        Parts of an interrupted render of the same plan are used again.

        Args:
            fresh: start over, whatever parts are there.

        Raises:
            errors.MuseTalkError: the leaf that says what went wrong.
        """
        files = Path(avatar), Path(audio), Path(output)
        request = RenderRequest(*files, self._settings, self._on_event, fresh)
        result = await self.carry_out(request)
        assert isinstance(result, RenderResult)
        return result

    async def carry_out(self, request: RenderRequest) -> RenderResult | Plan:
        """Render one video with settings and a listener of its own.

        Only servers and retries are those of this renderer.

        Returns:
            The plan if its video is there already, as the request has it.

        Raises:
            errors.MuseTalkError: the leaf that says what went wrong.
        """
        output = await run_in_thread(request.place)
        place = place_of(output, request.settings.output.format)
        async with in_threads(locked_job_directory(place)) as jobdir:
            self._start_servers()
            result = await self._render(request, jobdir)
        if isinstance(result, Plan):
            return result
        if names := jobdir.foreign():
            request.on_event(foreign_event(jobdir, names))
        if result.mouth is not None and is_still(result.mouth):
            request.on_event(still_event(result.mouth))
        request.on_event(done_event(result))
        return result

    async def pipe(self, request: RenderRequest, descriptor: int) -> RenderResult:
        """Render one video into a pipe; the parts go out in order, from the first one on.

        Args:
            request: its output is in a temporary folder, and says the container.
            descriptor: of the pipe; stays open.

        Raises:
            BrokenPipeError: the reader has gone.
            errors.MuseTalkError: the leaf that says what went wrong.
        """
        clock, on_event = StageClock(), request.on_event
        place = await run_in_thread(request.place)
        async with in_threads(locked_job_directory(place)) as jobdir:
            self._start_servers()
            job = await load_job(request, jobdir)
            assert isinstance(job, RenderJob)
            on_event(replace(plan_event(job.plan), output=str(STANDARD)))
            clock.lap("load")
            make = partial(self._make, job, {}, clock)
            made, joined = await send_as_made(job, descriptor, make, on_event)
            clock.lap("join")
            result = make_result(job, joined, clock, made.values())
        result = replace(result, output=STANDARD)
        if result.mouth is not None and is_still(result.mouth):
            on_event(still_event(result.mouth))
        on_event(done_event(result))
        return result

    async def _render(self, request: RenderRequest, jobdir: JobDirectory) -> RenderResult | Plan:
        clock, on_event = StageClock(), request.on_event
        job = await load_job(request, jobdir)
        if isinstance(job, Plan):
            return job
        parts = await run_in_thread(partial(job.state.finished, job.plan.segments))
        on_event(plan_event(job.plan, len(parts)))
        clock.lap("load")
        try:
            made = await self._make(job, parts, clock, on_event)
            joined = await self._join(job, parts | made, on_event)
        except BaseException as error:
            _emit_stopped(job, error, on_event)
            raise
        clock.lap("join")
        return make_result(job, joined, clock, made.values())

    async def _make(
        self, job: RenderJob, parts: dict[int, Part], clock: StageClock, on_event: OnEvent
    ) -> dict[int, Part]:
        """The parts that are missing."""
        from musetalk_fast.rendering.executor import make_parts  # imported by `_import_client`

        missing = missing_segments(job.plan.segments, parts, on_event)
        if not missing:
            return {}
        pool = await self._opened_servers()
        clock.lap("server")
        retries = self._settings.processing.max_retries
        made = await make_parts(job, pool, missing, retries, on_event, self._slots)
        clock.lap("prepare", job.state.established_at)
        clock.lap("generate")
        return made

    async def _join(self, job: RenderJob, parts: dict[int, Part], on_event: OnEvent) -> Joined:
        assert job.state.manifest is not None
        flag, engine = CancelFlag(), job.state.manifest.engine
        loop, frames = asyncio.get_running_loop(), job.plan.frames
        progress = JoinProgress(frames, lambda event: call_in_loop(loop, partial(on_event, event)))
        on_event(progress.event(0))
        join = partial(
            join_parts,
            *(job.plan, parts, job.state.jobdir, engine, flag.check, job.states),
            on_frames=progress,
        )
        joined = await run_in_thread(join, flag.set)
        on_event(progress.event(frames))
        return joined

    def _start_servers(self) -> None:
        """Begin to open the servers, so that they start while the inputs load."""
        # A failure that no render waited for, since its inputs failed first, is not the next one's.
        if self._pool is None or _has_failed(self._pool):
            self._pool = asyncio.create_task(self._open_pool())

    async def _open_pool(self) -> Pool:
        await run_in_thread(_import_client)
        from musetalk_fast.rendering.servers import open_servers

        return await open_servers(
            self._settings, self._stack, self._on_event, fallback=self._fallback
        )

    async def _opened_servers(self) -> Pool:
        assert self._pool is not None
        return await asyncio.shield(self._pool)


def _import_client() -> None:
    """In a thread: aiohttp takes as long to import as another thread does to load the inputs.

    On the event loop it would hold up the inputs, whose events the loop emits.
    """
    import musetalk_fast.rendering.executor
    import musetalk_fast.rendering.servers  # noqa: F401


def _has_failed(task: asyncio.Task[Pool]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _emit_stopped(job: RenderJob, error: BaseException, on_event: OnEvent) -> None:
    """Say what an early end leaves, where there is more to say than the error does."""
    jobdir, has_begun = job.state.jobdir, job.state.established_at is not None
    if jobdir.is_done or isinstance(error, PlanError):
        return
    if not (has_begun or jobdir.holds_parts()):
        return
    with suppress(Exception):  # a listener that raises has nothing to add
        on_event(stopped_event(jobdir, job.plan))
