"""The stages of a render one by one, on whichever machine: plan, segments, join."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from musetalk_fast.config import Settings
from musetalk_fast.errors import InputNotFoundError, PartsError, PlanError
from musetalk_fast.events import OnEvent
from musetalk_fast.media.background import load_background_file
from musetalk_fast.media.image import Asset, Background, Still
from musetalk_fast.media.speech import load_speech
from musetalk_fast.planning import (
    Inputs,
    Plan,
    Segment,
    SegmentChoice,
    check_inputs,
    check_place,
    load_inputs,
    plan_render,
)
from musetalk_fast.planning.avatar_opening import open_planned
from musetalk_fast.planning.inputs import picture_progress
from musetalk_fast.rendering.encoder_slots import EncoderSlots
from musetalk_fast.rendering.executor import make_parts
from musetalk_fast.rendering.job import JobState, RenderJob
from musetalk_fast.rendering.jobdir import PLAN, SUFFIX, JobDirectory, locked_job_directory
from musetalk_fast.rendering.join import join_parts
from musetalk_fast.rendering.ownership import check_entries
from musetalk_fast.rendering.planned_input import has_changed
from musetalk_fast.rendering.previous_join import (
    before_event,
    joined_before,
    joined_without_plan,
)
from musetalk_fast.rendering.progress import JoinProgress, foreign_event, plan_event
from musetalk_fast.rendering.resume import adopt, discard_archives, missing_segments
from musetalk_fast.rendering.servers import open_servers
from musetalk_fast.storage import temporary_folder
from musetalk_fast.threads import CancelFlag, run_in_thread
from musetalk_fast.video.containers import place_of
from musetalk_fast.video.encoder_probe import try_encoder
from musetalk_fast.video.mux import Joined
from musetalk_fast.video.output_path import check_output
from musetalk_fast.video.parts import Part

_MAX_NAMED = 20


def write_plan(
    avatar: Path, audio: Path, output: Path, settings: Settings, *, on_event: OnEvent
) -> tuple[Path, Plan]:
    """Check both inputs and keep the plan in `<output>.parts/plan.json`; the file, and the plan.

    Raises:
        errors.InputError, errors.OutputError: what would stop the render.
    """
    output = check_place(avatar, audio, output, settings)
    with locked_job_directory(place_of(output, settings.output.format)) as jobdir:
        inputs = load_inputs(avatar, audio, output, settings, jobdir.scratch, on_event)
        plan = adopt(plan_render(inputs, output, settings, on_event), jobdir, on_event)
        jobdir.keep()
    on_event(plan_event(plan))
    return jobdir.path / PLAN, plan


async def render_segments(
    plan_file: Path,
    choice: SegmentChoice,
    settings: Settings,
    *,
    on_event: OnEvent,
    slots: EncoderSlots | None = None,
) -> list[Part]:
    """Make the parts of some segments; those that are finished are not made again.

    Safe to run twice at a time, on several machines over a shared directory.

    Args:
        plan_file: as `write_plan` made it.
        choice: which segments.
        settings: servers and retries; how the video looks is the plan's.
        slots: for its encoders; None: as many as the machine has processors.

    Raises:
        errors.MuseTalkError: the leaf that says what went wrong.
    """
    state, segments = await run_in_thread(partial(_open_job_state, plan_file, choice))
    there = await run_in_thread(partial(state.finished, segments))
    missing = missing_segments(segments, there, on_event)
    made = await _make(state, missing, settings, on_event, slots) if missing else {}
    return [(there | made)[segment.number] for segment in segments]


def join_plan(plan_file: Path, on_event: OnEvent = lambda _event: None) -> tuple[Path, Joined]:
    """Join the parts of a plan into the video and remove them; the video.

    A video that an earlier join has finished stays as it is.

    Args:
        on_event: called with its progress, and a warning if the job directory must stay, or if
            there was nothing to join.

    Raises:
        errors.PartsError: parts are missing; their segments are named.
        errors.PlanError: avatar or recording have changed since the plan was made.
        errors.MuseTalkError: the leaf that says what else went wrong.
    """
    try:
        _, plan = open_plan(plan_file)
    except InputNotFoundError:
        found = joined_without_plan(_job_directory(plan_file).output)
        if found is None:
            raise
        on_event(before_event(found[0], "no plan of it is left"))
        return found
    with locked_job_directory(plan.place) as jobdir:
        joined = _join(plan, plan_file, jobdir, on_event)
    if names := jobdir.foreign():
        on_event(foreign_event(jobdir, names))
    return plan.output, joined


def _join(plan: Plan, plan_file: Path, jobdir: JobDirectory, on_event: OnEvent) -> Joined:
    if jobdir.has_plan():  # else another process has joined it meanwhile
        jobdir.keep()
    state = JobState(plan, jobdir)
    parts = state.finished(plan.segments)
    missing = [each.number for each in plan.segments if each.number not in parts]
    engine = None if state.manifest is None else state.manifest.engine
    if missing or not plan.overwrite:
        before = joined_before(plan, engine)
        if before is not None:
            jobdir.done()
            discard_archives(jobdir)
            on_event(before_event(plan.output, f"plan {plan.identity}"))
            return before
    inputs = [path for path, _ in plan.inputs]
    check_output(plan.output, plan.encoder.format, overwrite=plan.overwrite, inputs=inputs)
    if missing or engine is None:
        raise _lacking(missing, plan_file, jobdir)
    progress = JoinProgress(plan.frames, on_event)
    on_event(progress.event(0))
    joined = join_parts(plan, parts, jobdir, engine, on_frames=progress)
    on_event(progress.event(plan.frames))
    return joined


def open_plan(plan_file: Path) -> tuple[JobDirectory, Plan]:
    """Open a plan file, or the directory it is in.

    Raises:
        errors.InputNotFoundError: there is none.
        errors.OutputPlaceError: the directory, or a file in it, is a link, a pipe or a device.
        errors.PlanError: it is damaged, or not in a job directory.
    """
    jobdir = _job_directory(plan_file)
    check_entries(jobdir.path)
    plan = jobdir.read_plan()
    if plan is None:
        raise InputNotFoundError("no such plan", where=str(jobdir.path / PLAN))
    return jobdir, plan


def _job_directory(plan_file: Path) -> JobDirectory:
    path = plan_file / PLAN if plan_file.name.endswith(SUFFIX) else plan_file
    jobdir = JobDirectory(path.absolute().parent)
    output = jobdir.path.name.removesuffix(SUFFIX)
    if path.name != PLAN or output in (jobdir.path.name, "", ".", ".."):
        hint = f"name the folder OUTPUT{SUFFIX} that `plan` made"
        raise PlanError(f"a plan is named OUTPUT{SUFFIX}/{PLAN}", where=str(plan_file), hint=hint)
    return jobdir


async def _make(
    state: JobState,
    segments: list[Segment],
    settings: Settings,
    on_event: OnEvent,
    slots: EncoderSlots | None,
) -> dict[int, Part]:
    async with AsyncExitStack() as stack:
        workdir = stack.enter_context(temporary_folder())
        flag = CancelFlag()
        load = partial(_load, state.plan, workdir, flag.check, on_event)
        inputs, picture = await run_in_thread(load, flag.set)
        pool = await open_servers(settings, stack, on_event, fallback=False)
        job = RenderJob(state, inputs, picture)
        retries = settings.processing.max_retries
        return await make_parts(job, pool, segments, retries, on_event, slots)


def _open_job_state(plan_file: Path, choice: SegmentChoice) -> tuple[JobState, list[Segment]]:
    jobdir, plan = open_plan(plan_file)
    return JobState(plan, jobdir), choice.of(plan)


def _load(
    plan: Plan, workdir: Path, check: Callable[[], None], on_event: OnEvent
) -> tuple[Inputs, Asset]:
    """Load the plan's inputs, which must be those it was made for; its encoder must open here."""
    background: Background = str(plan.background)
    if plan.background_image is not None:
        background = load_background_file(plan.background_image)

    def on_picture(done: int, total: int) -> None:
        check()
        picture_progress(on_event, done, total)

    avatar = open_planned(plan, background, on_picture)
    speech = load_speech(plan.audio, workdir, lambda _secs: check(), plan.excerpt)
    hashes = [avatar.sha256, speech.sha256]
    if isinstance(background, Still):
        hashes.append(background.sha256)
    for now, (path, then) in zip(hashes, plan.inputs, strict=False):
        if now != then:
            raise has_changed(path)
    inputs = Inputs(avatar, speech, background)
    check_inputs(plan, inputs)
    try_encoder(plan.encoder, plan.width, plan.height, plan.fps, plan.colour)
    return inputs, avatar.asset()


def _lacking(missing: list[int], plan_file: Path, jobdir: JobDirectory) -> PartsError:
    """The error that names segments without a part, and the command that makes them."""
    named = _ranges(missing)
    more = len(named) > _MAX_NAMED
    message = "segments without a part: " + ", ".join(named[:_MAX_NAMED]) + ", ..." * more
    # Without numbers it makes all that have no part.
    numbers = [] if more else ["--segments", ",".join(named)]
    command = ["musetalk-fast", "segment", str(plan_file), *numbers]
    hint = f"make them, with your -s/--server if you have one: {shlex.join(command)}"
    return PartsError(message, where=str(jobdir.path), hint=hint)


def _ranges(numbers: Iterable[int]) -> list[str]:
    """Numbers in their order as `segment` takes them: `0`, `2-4`."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))
    return [str(first) if first == last else f"{first}-{last}" for first, last in runs]
