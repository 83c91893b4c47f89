"""Which source frames are shown, by an avatar's rate, length and time stamps alone."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest

from musetalk_fast.errors import UsageError
from musetalk_fast.planning import source_frames
from musetalk_fast.planning.source_frames import (
    Showing,
    SourceRuns,
    count_frames,
    default_fps,
    source_runs,
)
from musetalk_fast.types import Extend, SourceRun, Timestamps


@dataclass
class Moving:
    """As much of a source as these functions ask for."""

    rate: Fraction | None
    frames: int = 1
    timestamps: Timestamps | None = None


def _moving(rate: Any, count: int, timestamps: Timestamps | None = None) -> Any:
    return Moving(None if rate is None else Fraction(rate), count, timestamps)


def _runs(
    rate: Fraction | int | None, count: int, frames: int, fps: Any, extend: Extend = Extend.HOLD
) -> tuple[SourceRun, ...]:
    return source_runs(_moving(rate, count), frames, Showing(fps=Fraction(fps), extend=extend))


def _shown(runs: tuple[SourceRun, ...]) -> list[int]:
    return [run.first + run.step * place for run in runs for place in range(run.count)]


def test_a_still_is_shown_all_the_time() -> None:
    for extend in Extend:
        assert _runs(None, 1, 90_000, 25, extend) == (SourceRun(0, 0, 90_000),)
        assert count_frames(_moving(None, 1), Fraction(9), Showing(fps=Fraction(25))) == 225


def test_at_its_own_rate_each_is_shown_once_and_the_last_one_stays() -> None:
    rate = Fraction(30000, 1001)
    assert _runs(rate, 50, 50, rate) == (SourceRun(0, 1, 50),)
    assert _runs(rate, 50, 20, rate) == (SourceRun(0, 1, 20),)
    assert _runs(rate, 50, 80, rate) == (SourceRun(0, 1, 50), SourceRun(49, 0, 30))


@pytest.mark.parametrize(
    ("rate", "fps"), [(24, 25), (25, 60), (60, 25), (Fraction(24000, 1001), 30)]
)
def test_at_another_rate_it_is_the_one_that_is_on(rate: Fraction | int, fps: int) -> None:
    runs = _runs(rate, 1000, 400, fps)
    assert _shown(runs) == [int(n * Fraction(rate) / fps) for n in range(400)]
    assert sum(run.count for run in runs) == 400
    assert all(run.step in (0, 1) for run in runs)


def test_there_and_back_is_the_order_of_musetalks_own() -> None:
    rate, there = Fraction(30000, 1001), list(range(7))
    cycle = there + there[::-1]
    shown = _shown(_runs(rate, 7, 60, rate, Extend.PINGPONG))
    assert shown == [cycle[n % len(cycle)] for n in range(60)]
    looped = _runs(rate, 7, 20, rate, Extend.LOOP)
    assert looped == (SourceRun(0, 1, 7), SourceRun(0, 1, 7), SourceRun(0, 1, 6))
    alone = _runs(rate, 1, 20, rate, Extend.PINGPONG)
    assert alone == (SourceRun(0, 0, 20),)


def _played(starts: list[Fraction], end: Fraction, at: Fraction, extend: Extend) -> int:
    """By definition: backward a frame is on from its end to its start."""
    ends = [*starts[1:], end]
    if extend is Extend.LOOP:
        at %= end
    if extend is Extend.PINGPONG:
        at %= 2 * end
        if at >= end:
            back = 2 * end - at
            return next(n for n, last in enumerate(ends) if starts[n] < back <= last)
    return next((n for n, last in enumerate(ends) if starts[n] <= at < last), len(starts) - 1)


@pytest.mark.parametrize("extend", Extend)
@pytest.mark.parametrize("fps", [25, Fraction(30000, 1001), 7, 60])
@pytest.mark.parametrize("fit", [None, Fraction(40001, 16000), Fraction(1, 3)])
def test_variable_frame_times_are_exact_there_and_back(
    extend: Extend, fps: Any, fit: Fraction | None
) -> None:
    tick = Fraction(1, 90_000)
    times = Timestamps((0, 3003, 6006, 15_015, 15_020, 29_000, 45_000), 60_060, tick)
    source = _moving(Fraction(100, 11), 7, times)
    showing = Showing(fps=Fraction(fps), extend=extend, fit=fit)
    starts, end = [at * tick for at in times.starts], times.end * tick
    speed = end / fit if fit else 1
    shown = _shown(source_runs(source, 150, showing))
    assert shown == [_played(starts, end, n / Fraction(fps) * speed, extend) for n in range(150)]


def test_the_video_ends_with_what_ends_first() -> None:
    source, cut = _moving(Fraction(30000, 1001), 50), Extend.CUT
    showing = Showing(fps=Fraction(25), extend=cut)
    assert count_frames(source, Fraction(60), showing) == 42  # 1.668 s
    assert count_frames(source, Fraction(1, 2), showing) == 13
    assert count_frames(source, Fraction(60), Showing(fps=Fraction(25))) == 1500
    fitted = Showing(fps=Fraction(25), extend=cut, fit=Fraction(60))
    assert count_frames(source, Fraction(60), fitted) == 1500


def test_motion_is_stretched_to_the_recording() -> None:
    secs = Fraction(400_003, 16_000)
    for extend in Extend:
        showing = Showing(fps=Fraction(25), extend=extend, fit=secs)
        frames = count_frames(_moving(10, 50), secs, showing)
        shown = _shown(source_runs(_moving(10, 50), frames, showing))
        assert len(shown) == 626
        assert shown == sorted(shown)
        assert (shown[0], shown[-1]) == (0, 49)


def test_runs_of_a_range_are_found() -> None:
    runs = _runs(24, 9, 200, 25, Extend.PINGPONG)
    for start, stop in [(0, 200), (0, 1), (8, 9), (9, 10), (17, 130), (199, 200), (5, 5)]:
        part = SourceRuns(runs).between(start, stop)
        assert _shown(part) == _shown(runs)[start:stop]
    assert SourceRuns(runs).between(0, 200) == runs


def test_more_runs_than_a_plan_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_frames, "MAX_RUNS", 30)
    assert len(_runs(60, 1000, 30, 20)) == 30
    with pytest.raises(UsageError, match="more than 30 runs"):
        _runs(60, 1000, 31, 20)


def test_the_default_rate_is_the_avatars_own() -> None:
    assert default_fps(_moving(Fraction(24000, 1001), 9)) == Fraction(24000, 1001)
    assert default_fps(_moving(None, 1)) == 25
    assert default_fps(_moving(Fraction(1, 2), 9)) == 25  # no rate of a video
