"""Finished parts and the recording become the video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import TYPE_CHECKING

from musetalk_fast.media.audio_decoder import AudioDecoder, until
from musetalk_fast.planning import Plan
from musetalk_fast.rendering.jobdir import JobDirectory
from musetalk_fast.rendering.planned_input import FileState, PlannedInput
from musetalk_fast.rendering.resume import discard_archives
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.mux import Joined, join
from musetalk_fast.video.parts import Part
from musetalk_fast.video.provenance import comment_of

if TYPE_CHECKING:
    import av


def join_parts(
    plan: Plan,
    parts: dict[int, Part],
    jobdir: JobDirectory,
    engine: EngineIdentity,
    check: Callable[[], None] = lambda: None,
    states: Iterable[FileState | None] = (),
) -> Joined:
    """Join all parts of a plan, add the sound, move the video to its place.

    What was archived beside the job directory goes: it was kept for this output.

    Args:
        check: called often, and before the video is moved; may raise to stop.
        states: as `RenderJob` has them.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: an input is not there any more.
        errors.PlanError: an input has changed since the plan was made.
        errors.OutputError: the parts do not fit, or writing failed.
    """
    known = chain(states, repeat(None))
    inputs = [PlannedInput(*each, state) for each, state in zip(plan.inputs, known, strict=False)]
    for each in inputs:
        each.check()
    joined = join(
        [parts[segment.number] for segment in plan.segments],
        plan.output,
        sound=_sound(plan, inputs) if plan.sound else None,
        fps=plan.fps,
        encoder=plan.encoder,
        metadata={"comment": comment_of(engine, plan.identity)},
        folder=jobdir.path,
        overwrite=plan.overwrite,
        check=check,
    )
    jobdir.done()
    discard_archives(jobdir)
    return joined


def _sound(plan: Plan, inputs: Iterable[PlannedInput]) -> Iterator[av.AudioFrame]:
    """The recording as decoded, or as much of it as the video is long where that was cut.

    An error comes at its end if it was replaced meanwhile.
    """
    secs = plan.frames / plan.fps
    with AudioDecoder(plan.audio) as decoder:
        frames = decoder.frames()
        yield from frames if secs >= plan.duration else until(frames, secs)
    for each in inputs:
        each.check()
