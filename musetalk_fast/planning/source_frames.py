"""Which source frame each output frame shows, and at which rate where none was asked for."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, islice

from musetalk_fast.config.settings import OutputSettings, kinds
from musetalk_fast.errors import UsageError
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.types import Extend, SourceRun

STILL_FPS = Fraction(25)
"""Of a video whose avatar has no rate of its own."""

MAX_RUNS = 1 << 20
"""Of a plan: ten hours at 29 frames a second of which no two show neighbouring source frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """How the source frames of a moving avatar fill the output.

    Attributes:
        fps: output frames a second.
        extend: what comes where the recording is longer than the avatar.
        fit: seconds that the avatar's motion is stretched to; None: it keeps its speed.
    """

    fps: Fraction
    extend: Extend = Extend.PINGPONG
    fit: Fraction | None = None


def default_fps(source: AvatarSource) -> Fraction:
    """Output frames a second if the user does not say: the avatar's, where a user could say so."""
    if source.rate is None:
        return STILL_FPS
    try:
        return Fraction(kinds(OutputSettings)["fps"].check(source.rate))
    except ValueError:
        return STILL_FPS


def count_frames(source: AvatarSource, duration: Fraction, showing: Showing) -> int:
    """Output frames of a recording of `duration` seconds: those that begin before its end.

    With `Extend.CUT` they also begin before the end of a moving avatar.
    """
    frames = max(1, math.ceil(duration * showing.fps))
    if source.rate is None or showing.extend is not Extend.CUT:
        return frames
    clock = _Clock(source, showing)
    return min(frames, math.ceil(clock.end / clock.ticks))


def source_runs(source: AvatarSource, frames: int, showing: Showing) -> tuple[SourceRun, ...]:
    """The source frames that `frames` output frames show, as runs.

    Of a moving avatar it is the one that is on at the output frame's time, exactly. Played
    backward, time runs backward: the last frame ends the way there and begins the way back, so
    that it stands twice, and the first one where the next way begins: 0 1 2 2 1 0 0 1. That is the
    order of MuseTalk's own `frames + frames[::-1]`.

    Raises:
        errors.UsageError: more runs than a plan holds.
    """
    if source.rate is None:
        return (SourceRun(0, 0, frames),)
    clock = _Clock(source, showing)
    runs = tuple(islice(as_runs(map(clock.shown, range(frames))), MAX_RUNS + 1))
    if len(runs) > MAX_RUNS:
        raise UsageError(
            f"at {showing.fps} frames a second the avatar's frames are shown in more than "
            f"{MAX_RUNS} runs",
            hint="leave out --fps and --speed-to-fit, or give a shorter recording",
        )
    return runs


class SourceRuns(tuple[SourceRun, ...]):
    """Runs of source frames, of which those of any range of output frames are found at once."""

    def between(self, start: int, stop: int) -> tuple[SourceRun, ...]:
        """The runs that output frames `[start, stop)` show."""
        found, number = [], bisect_right(self._ends, start)
        while start < stop:
            run, end = self[number], self._ends[number]
            skipped, last = start - (end - run.count), min(stop, end)
            found.append(SourceRun(run.first + run.step * skipped, run.step, last - start))
            start, number = last, number + 1
        return tuple(found)

    @cached_property
    def _ends(self) -> list[int]:
        """Of each run: the output frame after its last."""
        return list(accumulate(run.count for run in self))


class _Clock:
    """Counts in ticks of the avatar, whose frames begin at whole ones.

    Attributes:
        end: tick at which its last frame ends.
        ticks: from one output frame to the next.
    """

    def __init__(self, source: AvatarSource, showing: Showing) -> None:
        assert source.rate is not None
        self._starts: Sequence[int] = range(source.frames)
        self.end, tick = source.frames, 1 / source.rate
        if source.timestamps is not None:
            self._starts, self.end, tick = source.timestamps
        speed = self.end * tick / showing.fit if showing.fit else Fraction(1)
        self.ticks = speed / (showing.fps * tick)
        self._place = _PLACES[showing.extend]

    def shown(self, frame: int) -> int:
        """The source frame that an output frame shows."""
        # Frames begin at whole ticks: which one is on depends on the whole tick that has begun.
        at = frame * self.ticks.numerator // self.ticks.denominator
        return self._place(self._starts, self.end, at)


def _pingpong(starts: Sequence[int], end: int, at: int) -> int:
    at %= 2 * end
    if at < end:
        return bisect_right(starts, at) - 1
    # Backward a frame is on after its start, and up to its end.
    return bisect_left(starts, 2 * end - at) - 1


def _loop(starts: Sequence[int], end: int, at: int) -> int:
    return bisect_right(starts, at % end) - 1


def _hold(starts: Sequence[int], end: int, at: int) -> int:
    return bisect_right(starts, min(at, end - 1)) - 1


_PLACES: dict[Extend, Callable[[Sequence[int], int, int], int]] = {
    Extend.PINGPONG: _pingpong,
    Extend.LOOP: _loop,
    Extend.HOLD: _hold,
    Extend.CUT: _hold,
}


def as_runs(shown: Iterable[int]) -> Iterator[SourceRun]:
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
