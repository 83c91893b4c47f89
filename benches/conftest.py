"""Ratios of our kernels to their rivals, timed side by side in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Row:
    """One line of the ratio table; times in microseconds, medians of interleaved rounds."""

    name: str
    ours_us: float
    rival: str
    rival_us: float

    @property
    def ratio(self) -> float:
        return self.rival_us / self.ours_us


ROWS: list[Row] = []


class Race:
    """Runs ours and a rival in turns, so that noise of the machine meets both alike."""

    def __init__(self, benchmark: Callable[..., object]) -> None:
        self._benchmark = benchmark

    def run(
        self,
        name: str,
        ours: Callable[[], object],
        rival: str,
        theirs: Callable[[], object],
        rounds: int = 200,
        rival_every: int = 1,
    ) -> float:
        """The ratio rival / ours; `rival_every` runs a slow rival in fewer rounds."""
        own: list[float] = []
        other: list[float] = []
        for number in range(rounds):
            own.append(_timed(ours))
            if number % rival_every == 0:
                other.append(_timed(theirs))
        row = Row(name, statistics.median(own) * 1e6, rival, statistics.median(other) * 1e6)
        ROWS.append(row)
        self._benchmark(ours)
        return row.ratio


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@pytest.fixture
def race(benchmark: Callable[..., object]) -> Race:
    return Race(benchmark)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None] | None:
    for row in ROWS:
        terminalreporter.write_line(
            f"{row.name:32} {row.ours_us:10.1f} us   {row.rival:44} {row.rival_us:10.1f} us   "
            f"ratio {row.ratio:6.2f}"
        )
    return None
