"""Finished parts and the recording become the video."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from musetalk_fast._version import __version__
from musetalk_fast.media.audio_decoder import AudioDecoder
from musetalk_fast.planning import Plan
from musetalk_fast.rendering.jobdir import JobDirectory
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.mux import Joined, join
from musetalk_fast.video.parts import Part


def join_parts(
    plan: Plan,
    parts: dict[int, Part],
    jobdir: JobDirectory,
    engine: EngineIdentity,
    check: Callable[[], None] = lambda: None,
) -> Joined:
    """Join all parts of a plan, add the sound, move the video to its place.

    Args:
        check: called often, and before the video is moved; may raise to stop.

    Raises:
        errors.OutputError: the parts do not fit, or writing failed.
    """
    preview = " (a preview, not MuseTalk)" if engine.is_preview else ""
    comment = (
        f"lip-sync: engine {engine.name}{preview}, model {engine.model}; musetalk-fast "
        f"{__version__}"
    )
    with ExitStack() as stack:
        sound = stack.enter_context(AudioDecoder(plan.audio)).frames() if plan.sound else None
        return join(
            [parts[segment.number] for segment in plan.segments],
            plan.output,
            sound=sound,
            fps=plan.fps,
            encoder=plan.encoder,
            metadata={"comment": comment},
            folder=jobdir.path,
            overwrite=plan.overwrite,
            check=check,
        )
