"""What runs on the cluster's nodes, each in a task: a whole video, or the steps of one."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from musetalk_fast._version import __version__
from musetalk_fast.batching.finished import FinishedVideos
from musetalk_fast.config import Settings
from musetalk_fast.errors import ClusterError, InputNotFoundError, MuseTalkError, OutputBusyError
from musetalk_fast.farming.ray.event_actor import EventSender
from musetalk_fast.farming.ray.server_actor import address_of
from musetalk_fast.farming.ray.work import Planned, Work
from musetalk_fast.planning import Plan
from musetalk_fast.planning.concurrency import processors
from musetalk_fast.planning.segment_choice import SegmentChoice
from musetalk_fast.rendering import Renderer, RenderResult
from musetalk_fast.rendering.encoder_slots import EncoderSlots
from musetalk_fast.rendering.job import JobState
from musetalk_fast.rendering.jobdir import locked_job_directory
from musetalk_fast.rendering.loading import RenderRequest, load_job
from musetalk_fast.rendering.progress import plan_event, still_event
from musetalk_fast.rendering.result import joined_result
from musetalk_fast.rendering.servers import any_answers
from musetalk_fast.rendering.steps import join_plan, open_plan, render_segments
from musetalk_fast.threads import in_threads, run_in_thread
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.containers import place_of
from musetalk_fast.video.mouth_motion import is_still

T = TypeVar("T")

_BUSY_SECS = 30.0
"""How long the lock of a task whose node was lost may be seen: over a network it outlives it."""


def render_whole(work: Work) -> RenderResult | Plan:
    """Make a video; its plan, if it is there already.

    Raises:
        errors.MuseTalkError: the leaf that says what went wrong.
    """

    async def make(send: EventSender, settings: Settings) -> RenderResult | Plan:
        with EncoderSlots(work.processors) as slots:
            async with Renderer(settings, send, fallback=False, slots=slots) as renderer:
                engines = await renderer.connect()
                request = _request(work, settings, send, engines)
                return await _when_free(lambda: renderer.carry_out(request))

    return _run(work, 0, make)


def plan_video(work: Work) -> Plan | Planned:
    """Write a video's plan; only the plan, if the video is there already.

    Raises:
        errors.MuseTalkError: the leaf that says what went wrong.
    """

    async def make(send: EventSender, settings: Settings) -> Plan | Planned:
        async with Renderer(settings, send, fallback=False) as renderer:
            engines = await renderer.connect()
            request = _request(work, settings, send, engines)
        return await _when_free(lambda: _plan(request, engines))

    return _run(work, 0, make)


async def _plan(request: RenderRequest, engines: tuple[EngineIdentity, ...]) -> Plan | Planned:
    """Only the plan, if its video is there already."""
    output = await run_in_thread(request.place)
    place = place_of(output, request.settings.output.format)
    async with in_threads(locked_job_directory(place)) as jobdir:
        job = await load_job(request, jobdir)
        if isinstance(job, Plan):
            return job
        jobdir.keep()
    request.on_event(plan_event(job.plan))
    return Planned(job.plan, jobdir.path, engines)


def make_segments(work: Work, parts: Path, piece: int, numbers: range) -> None:
    """Make the parts of some segments of a plan.

    Args:
        parts: the plan's job directory.
        piece: number of this task, from 1 on.

    Raises:
        errors.MuseTalkError: the leaf that says what went wrong.
    """

    async def make(send: EventSender, settings: Settings) -> None:
        with EncoderSlots(work.processors) as slots:
            choice = SegmentChoice(numbers)
            await render_segments(parts, choice, settings, on_event=send, slots=slots)

    return _run(work, piece, make)


def join_segments(work: Work, planned: Planned) -> RenderResult | Plan:
    """Join the parts of a plan; seconds and frames a second are not in the result.

    Returns:
        Only the plan, if an earlier try has joined them, and its worker died before it said so.

    Raises:
        errors.MuseTalkError: the leaf that says what went wrong.
    """

    async def make(send: EventSender, _settings: Settings) -> RenderResult | Plan:
        return await _when_free(lambda: run_in_thread(partial(_join, planned, send)))

    return _run(replace(work, servers=()), 0, make)


def _join(planned: Planned, send: EventSender) -> RenderResult | Plan:
    try:
        jobdir, plan = open_plan(planned.parts)
    except InputNotFoundError:
        if not planned.is_joined():
            raise
        return planned.plan
    state = JobState(plan, jobdir)  # before the parts go
    _, joined = join_plan(planned.parts, send)
    if state.manifest is None:
        return plan
    if joined.mouth is not None and is_still(joined.mouth):
        send(still_event(joined.mouth))
    return joined_result(state, joined)


def servers_answer(settings: Settings) -> bool:
    """Whether one of the servers that settings name can be reached from here."""
    return asyncio.run(any_answers(settings))


def _request(
    work: Work, settings: Settings, send: EventSender, engines: tuple[EngineIdentity, ...]
) -> RenderRequest:
    job = work.job
    known = {} if work.record is None else {job.output: work.record}
    finished = FinishedVideos(known)
    return RenderRequest(
        avatar=job.avatar,
        audio=job.audio,
        output=job.output,
        settings=settings,
        on_event=send,
        fresh=job.fresh,
        beside=max(1, processors() // work.processors),
        is_done=lambda plan: (
            not job.fresh and any(finished.holds(plan, engine) for engine in engines)
        ),
    )


def _run(
    work: Work, piece: int, make: Callable[[EventSender, Settings], Coroutine[Any, Any, T]]
) -> T:
    import uvloop

    if work.version != __version__:
        raise ClusterError(
            f"it has musetalk-fast {__version__}; the batch was begun with {work.version}",
            where=socket.gethostname(),
            hint="install the same version on all nodes",
        )
    os.environ.setdefault("UV_THREADPOOL_SIZE", "1")
    send = EventSender(work.events, work.job.name, piece)
    send.begin()
    try:
        servers = work.servers
        settings = work.settings_at(address_of(servers)) if servers else work.job.settings
        return uvloop.run(make(send, settings))
    except MuseTalkError as error:
        error.__cause__ = None  # what led to it need not be known to the other machine
        raise
    finally:
        with suppress(Exception):  # the result counts, not what was said on the way
            send.flush()


async def _when_free(make: Callable[[], Awaitable[T]]) -> T:
    """Do it, later if another process is at this output: one that was lost, and has not ended."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _BUSY_SECS
    while True:
        try:
            return await make()
        except OutputBusyError:
            if loop.time() > until:
                raise
        await asyncio.sleep(1)
