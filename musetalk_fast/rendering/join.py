"""Finished parts and the recording become the video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat

from musetalk_fast.planning import Plan
from musetalk_fast.planning.concurrency import processors
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.rendering.jobdir import JobDirectory
from musetalk_fast.rendering.planned_input import FileState, PlannedInput
from musetalk_fast.rendering.resume import discard_archives
from musetalk_fast.rendering.sound_track import sound_track
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.containers import CONTAINERS
from musetalk_fast.video.frame_names import FrameNames
from musetalk_fast.video.mux import Joined, agreeing, join, join_into_pipe, joined_parts
from musetalk_fast.video.parts import Part
from musetalk_fast.video.picture_join import join_animation, join_sequence
from musetalk_fast.video.pipe_file import PipeFile
from musetalk_fast.video.provenance import Length, comment_of
from musetalk_fast.video.raw_video import raw_video
from musetalk_fast.video.rgb_frames import FrameLook


def join_parts(
    plan: Plan,
    parts: dict[int, Part],
    jobdir: JobDirectory,
    engine: EngineIdentity,
    check: Callable[[], None] = lambda: None,
    states: Iterable[FileState | None] = (),
    on_frames: Callable[[int], None] = lambda _done: None,
) -> Joined:
    """Join all parts of a plan, add the sound, move the video to its place.

    What was archived beside the job directory goes: it was kept for this output.

    Args:
        check: called often, and before the video is moved; may raise to stop.
        states: as `RenderJob` has them.
        on_frames: called often with the number of frames so far.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: an input is not there any more.
        errors.PlanError: an input has changed since the plan was made.
        errors.OutputError: the parts do not fit, or writing failed.
    """
    known = chain(states, repeat(None))
    inputs = [PlannedInput(*each, state) for each, state in zip(plan.inputs, known, strict=False)]
    for each in inputs:
        each.check()
    in_order = [parts[segment.number] for segment in plan.segments]
    if CONTAINERS[plan.encoder.format].pictures is not None:
        joined = _join_pictures(plan, in_order, jobdir, engine, check, on_frames)
    else:
        with sound_track(plan, inputs) as sound:
            joined = join(
                in_order,
                plan.output,
                sound=sound,
                fps=plan.fps,
                encoder=plan.encoder,
                metadata={"comment": _comment(plan, engine)},
                folder=jobdir.path,
                overwrite=plan.overwrite,
                check=check,
                on_frames=on_frames,
            )
    jobdir.done()
    discard_archives(jobdir)
    return joined


def send_parts(job: RenderJob, parts: Iterable[Part], pipe: PipeFile) -> Joined:
    """Send all parts of a job into a pipe, with the sound.

    Args:
        parts: in order; the next one is asked for when the one before is through.

    Raises:
        BrokenPipeError: the reader has gone.
        errors.MuseTalkError: as `join_parts`.
    """
    plan, container = job.plan, CONTAINERS[job.plan.encoder.format]
    known = chain(job.states, repeat(None))
    inputs = [PlannedInput(*each, state) for each, state in zip(plan.inputs, known, strict=False)]
    sent: list[Part] = []
    following = _noted(parts, sent)
    first = next(following)
    assert job.state.manifest is not None
    following = chain([first], following)
    if container.pictures is not None:
        look = FrameLook(plan.width, plan.height, plan.encoder.pix_fmt, plan.colour)
        for content in raw_video(agreeing(following), container.pictures, look, plan.fps):
            pipe.write(content)
    else:
        engine = job.state.manifest.engine
        with sound_track(plan, inputs) as sound:
            join_into_pipe(
                following,
                pipe,
                sound=sound,
                fps=plan.fps,
                encoder=plan.encoder,
                metadata={"comment": _comment(plan, engine)},
            )
    return joined_parts(sent, pipe.bytes, plan.fps)


def _comment(plan: Plan, engine: EngineIdentity) -> str:
    return comment_of(engine, plan.identity, Length(plan.frames, plan.fps))


def _noted(parts: Iterable[Part], sent: list[Part]) -> Iterator[Part]:
    for part in parts:
        sent.append(part)
        yield part


def _join_pictures(
    plan: Plan,
    parts: Sequence[Part],
    jobdir: JobDirectory,
    engine: EngineIdentity,
    check: Callable[[], None],
    on_frames: Callable[[int], None],
) -> Joined:
    """The parts' frames as a moving picture, or as the files of a sequence."""
    container = CONTAINERS[plan.encoder.format]
    look = FrameLook(plan.width, plan.height, plan.encoder.pix_fmt, plan.colour)
    if plan.frame_names is None:
        return join_animation(
            *(parts, plan.output, container, look, plan.fps),
            comment=_comment(plan, engine),
            folder=jobdir.path,
            overwrite=plan.overwrite,
            check=check,
            on_frames=on_frames,
        )
    names = FrameNames.parse(plan.frame_names)
    assert names is not None
    return join_sequence(
        *(parts, plan.place, names, container, look, plan.fps),
        comment=_comment(plan, engine),
        folder=jobdir.scratch,
        threads=processors(),
        overwrite=plan.overwrite,
        check=check,
        on_frames=on_frames,
    )
