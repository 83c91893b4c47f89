"""Loads a render job: inputs opened, plan made, finished parts found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from musetalk_fast.config import Settings
from musetalk_fast.events import Event, OnEvent
from musetalk_fast.media.image import Asset
from musetalk_fast.planning import Plan, check_place, load_inputs, other_files, plan_render
from musetalk_fast.rendering.job import JobState, RenderJob
from musetalk_fast.rendering.jobdir import JobDirectory
from musetalk_fast.rendering.planned_input import file_state
from musetalk_fast.rendering.resume import adopt, settle
from musetalk_fast.rendering.shared_avatars import SharedAvatars
from musetalk_fast.threads import CancelFlag, call_in_loop, run_in_thread, thread_errors
from musetalk_fast.video.containers import frame_names


def _never(_plan: Plan) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What one render was asked for.

    Attributes:
        fresh: start over, whatever parts are there.
        beside: renders that are at work at a time, this one included.
        is_done: whether the video of a plan is there already; called in a thread.
        avatars: those that other renders use, too.
    """

    avatar: Path
    audio: Path
    output: Path
    settings: Settings
    on_event: OnEvent
    fresh: bool = False
    beside: int = 1
    is_done: Callable[[Plan], bool] = field(default=_never)
    avatars: SharedAvatars = field(default_factory=SharedAvatars)

    def place(self) -> Path:
        """Where the video will be written; what is there may be the video of this very plan.

        Raises:
            errors.OutputError, errors.UsageError: as `check_place`.
        """
        return self._place(overwrite=self.is_done is not _never or self._overwrites)

    def check_replacing(self) -> None:
        """Refuse to replace what is there, if that was asked for.

        Raises:
            errors.OutputExistsError: it is there, and is not the video of this plan.
        """
        if not self._overwrites:
            self._place(overwrite=False)

    @property
    def _overwrites(self) -> bool:
        return self.settings.output.overwrite

    def _place(self, *, overwrite: bool) -> Path:
        output = replace(self.settings.output, overwrite=overwrite)
        settings = replace(self.settings, output=output)
        return check_place(self.avatar, self.audio, self.output, settings)


async def load_job(request: RenderRequest, jobdir: JobDirectory) -> RenderJob | Plan:
    """The job; only its plan, if its video is there already.

    Raises:
        errors.InputError, errors.OutputError: what stops the render.
    """
    loop, flag = asyncio.get_running_loop(), CancelFlag()

    def emit(event: Event) -> None:
        flag.check()
        call_in_loop(loop, partial(request.on_event, event))

    return await run_in_thread(partial(_load, request, jobdir, emit, flag.check), flag.set)


def _load(
    request: RenderRequest, jobdir: JobDirectory, emit: OnEvent, check: Callable[[], None]
) -> RenderJob | Plan:
    pictures: list[Future[Asset]] = []
    settings = request.settings
    files = (request.avatar, request.audio, *other_files(settings))
    states = tuple(map(file_state, files))
    names = frame_names(request.output, settings.output.format)
    output = jobdir.output if names is None else jobdir.output / names.pattern
    with ThreadPoolExecutor(1, "png") as png_thread, thread_errors():
        inputs = load_inputs(
            *(request.avatar, request.audio, output, settings, jobdir.scratch, emit),
            on_avatar=lambda avatar: pictures.append(
                png_thread.submit(request.avatars.asset, avatar)
            ),
            on_block=lambda _secs: check(),
            see=request.avatars.see,
        )
        plan = plan_render(inputs, output, settings, emit, beside=request.beside)
        if request.is_done(plan):
            settle(jobdir, plan)
            return plan
        request.check_replacing()
        plan = adopt(plan, jobdir, emit, fresh=request.fresh)
    return RenderJob(JobState(plan, jobdir), inputs, pictures[0].result(), states, request.avatars)
