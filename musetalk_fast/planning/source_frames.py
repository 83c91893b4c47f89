"""Which source frame each output frame shows, and at which rate where none was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.types import SourceRun

STILL_FPS = Fraction(25)
"""Of a video whose avatar has no rate of its own."""


def default_fps(source: AvatarSource) -> Fraction:
    """Output frames a second if the user does not say."""
    return STILL_FPS if source.rate is None else source.rate


def source_runs(source: AvatarSource, frames: int, fps: Fraction) -> tuple[SourceRun, ...]:
    """The source frames that `frames` output frames show.

    Of a moving avatar it is the one that is on at the output frame's time; its last one stays.
    """
    if source.rate is None:
        return (SourceRun(0, 0, frames),)
    rate, last = source.rate, source.frames - 1
    return tuple(_runs(min(frame * rate // fps, last) for frame in range(frames)))


def _runs(shown: Iterable[int]) -> Iterator[SourceRun]:
    """Source frames, one for each output frame, as few runs."""
    run: SourceRun | None = None
    for source in shown:
        step = 0 if run is None else source - (run.first + run.step * (run.count - 1))
        if run is not None and abs(step) <= 1 and (run.count == 1 or step == run.step):
            run = SourceRun(run.first, step, run.count + 1)
            continue
        if run is not None:
            yield run
        run = SourceRun(source, 0, 1)
    if run is not None:
        yield run
