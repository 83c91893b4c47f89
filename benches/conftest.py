"""The ratio table: every bench adds rows to it, `make bench` keeps them in `build/bench.json`.

A row is `{name, input, ours_us, rival, rival_us, ratio, spread}`: medians in microseconds, ratio is
rival / ours (more is better), spread is how far the ratio went from round to round: the distance
between its quartiles, as a share of its median. Bars are in `bars.py`.
"""

from __future__ import annotations

import compileall
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from benches.bars import BARS, in_words, is_missed


@dataclass(frozen=True, kw_only=True)
class Row:
    name: str
    input: str
    ours_us: float
    rival: str
    rival_us: float
    ratio: float
    spread: float


PACKAGE = Path(__file__).parents[1] / "musetalk_fast"


@pytest.fixture(scope="session", autouse=True)
def compiled_modules() -> Iterator[None]:
    """As installed: with `PYTHONDONTWRITEBYTECODE` each process would compile every module anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        assert compileall.compile_dir(PACKAGE, quiet=1)
        yield


_rows = pytest.StashKey[list[Row]]()
_notes = pytest.StashKey[list[str]]()


class AddRow(Protocol):
    """Adds a row from times that were measured elsewhere."""

    def __call__(
        self,
        *,
        name: str,
        input: str,  # noqa: A002 - the row's own word
        ours_us: float,
        rival: str,
        rival_us: float,
        spread: float,
    ) -> None: ...


@pytest.fixture
def add_row(request: pytest.FixtureRequest) -> AddRow:
    rows = request.config.stash[_rows]

    def add(**values: Any) -> None:
        rows.append(Row(**values, ratio=values["rival_us"] / values["ours_us"]))

    return add


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Adds a line below the table: a figure that is no ratio."""
    return request.config.stash[_notes].append


@pytest.fixture
def one_core() -> Iterator[None]:
    """BLAS must not use another core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


class Compare:
    """Runs ours by pytest-benchmark, and before each of its rounds a rival in the same process.

    Noise of the machine meets both alike that way.
    """

    def __init__(self, benchmark: Any, add_row: AddRow) -> None:
        self._benchmark = benchmark
        self._add_row = add_row

    def __call__(
        self,
        name: str,
        given: str,
        ours: Callable[[], object],
        rival: str,
        theirs: Callable[[], object],
        *,
        rounds: int,
        rival_every: int = 1,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Add a row.

        Args:
            rival_every: runs a slow rival in fewer rounds.
            timer: `time.process_time` for what takes milliseconds, so that other programs on the
                same cores do not count; it takes a microsecond itself.
        """
        turn, own, other = 0, [], []

        def timed(call: Callable[[], object], times: list[float]) -> None:
            began = timer()
            call()
            times.append(timer() - began)

        def run_rival() -> None:
            nonlocal turn
            if turn % rival_every == 0:
                timed(theirs, other)
            turn += 1

        for call in (ours, theirs):
            call()
        self._benchmark.pedantic(timed, (ours, own), setup=run_rival, rounds=rounds)
        self._add_row(
            name=name,
            input=given,
            ours_us=statistics.median(own) * 1e6,
            rival=rival,
            rival_us=statistics.median(other) * 1e6,
            spread=spread(own[::rival_every], other),
        )


def spread(ours: list[float], rivals: list[float]) -> float:
    """The distance of the ratio's quartiles, as a share of its median."""
    ratios = [rival / own for own, rival in zip(ours, rivals, strict=False)]
    if len(ratios) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(ratios, n=4)
    return (high - low) / middle


@pytest.fixture
def compare(benchmark: Any, add_row: AddRow) -> Compare:
    return Compare(benchmark, add_row)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rows", type=Path, help="where the ratio table is written")
    parser.addoption("--bars", action="store_true", help="fail where a row misses its bar")
    parser.addoption("--brief", action="store_true", help="shorter runs of the entire program")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_rows] = []
    config.stash[_notes] = []


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    rows, path = session.config.stash[_rows], session.config.getoption("--rows")
    if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return
    if path and rows:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
        unfinished.replace(path)
    if _failures(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _failures(config: pytest.Config) -> list[str]:
    """What `--bars` fails for: rows below their bars beyond their spread, and bars without row."""
    if not config.getoption("--bars"):
        return []
    rows = config.stash[_rows]
    missed = [
        f"{row.name}: ratio {row.ratio:.3f} is below the bar of {BARS[row.name]:g} "
        f"by more than the spread of {row.spread:.1%}"
        for row in rows
        if is_missed(row.name, row.ratio, row.spread)
    ]
    absent = BARS.keys() - {row.name for row in rows}
    return missed + [f"{name}: not measured" for name in sorted(absent)]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash[_rows]
    if not (rows or config.stash[_notes]):
        return
    terminalreporter.section(f"ratios on {_cpu()}, {os.cpu_count()} CPUs")
    for row in rows:
        bar = in_words(row.name, row.ratio, row.spread)
        terminalreporter.write_line(
            f"{row.name:28} {row.ours_us:11.1f} us {row.rival_us:11.1f} us  ratio {row.ratio:7.2f} "
            f"+-{row.spread / 2:4.0%}  {bar:10}  {row.rival}; {row.input}"
        )
    for line in config.stash[_notes]:
        terminalreporter.write_line(line)
    for line in _failures(config):
        terminalreporter.write_line(f"MISSED {line}", red=True)


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "an unknown CPU"
    names = (line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line)
    return next(names, "an unknown CPU")
