"""Which source frames are shown, by an avatar's rate and length alone."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest

from musetalk_fast.planning.source_frames import default_fps, source_runs
from musetalk_fast.types import SourceRun


@dataclass
class Moving:
    """As much of a source as these functions ask for."""

    rate: Fraction | None
    frames: int = 1


def _runs(rate: Fraction | int | None, count: int, frames: int, fps: Any) -> tuple[SourceRun, ...]:
    source: Any = Moving(None if rate is None else Fraction(rate), count)
    return source_runs(source, frames, Fraction(fps))


def _shown(runs: tuple[SourceRun, ...]) -> list[int]:
    return [run.first + run.step * place for run in runs for place in range(run.count)]


def test_a_still_is_shown_all_the_time() -> None:
    assert _runs(None, 1, 90_000, 25) == (SourceRun(0, 0, 90_000),)


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


def test_the_default_rate_is_the_avatars_own() -> None:
    moving: Any = Moving(Fraction(24000, 1001), 9)
    still: Any = Moving(None)
    assert default_fps(moving) == Fraction(24000, 1001)
    assert default_fps(still) == 25
