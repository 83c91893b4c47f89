"""Processes, and what the system says they have cost.

What is measured runs on as many processors as it is given, whatever the machine has.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
Command = Sequence[str | Path]

CPUS = 2
"""That a program may use."""
SLICE_SECS = 0.5
"""The pace of a shared machine changes within seconds; what runs starts with cold caches."""


class Spent(NamedTuple):
    """CPU time in seconds, what was printed, and when the process ran, by `time.monotonic`.

    Attributes:
        slices: from when to when; it was stopped in between.
    """

    cpu: float
    stdout: str
    slices: tuple[tuple[float, float], ...]

    @property
    def began(self) -> float:
        return self.slices[0][0]

    @property
    def wall(self) -> float:
        """Seconds that it ran."""
        return self.ran(self.began, self.slices[-1][1])

    def ran(self, since: float, until: float) -> float:
        """Seconds that it ran between two times by `time.monotonic`, which may be its own word."""
        return sum(max(0.0, min(until, stop) - max(since, start)) for start, stop in self.slices)


@contextmanager
def _pinned(cpus: int) -> Iterator[None]:
    """Processes that this thread starts meanwhile have so many processors."""
    allowed = os.sched_getaffinity(0)
    if len(allowed) < cpus:
        raise RuntimeError(f"this bench needs {cpus} processors; {len(allowed)} may be used")
    os.sched_setaffinity(0, sorted(allowed)[:cpus])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class _Run:
    """A process that runs in slices of time, from its first one to its end."""

    def __init__(self, command: Command, cpus: int) -> None:
        self._command = [str(word) for word in command]
        self._cpus = cpus
        self._child: subprocess.Popen[bytes] | None = None
        self._slices: list[tuple[float, float]] = []
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - see close

    def advance(self, secs: float | None) -> Spent | None:
        """Run on for so long, None for to its end; what it has cost once it has ended."""
        began = time.monotonic()
        child = self._started_or_continued()
        has_ended = _ends(child.pid, secs)
        if not has_ended:
            # Popen.send_signal would reap one that has just ended, and its usage with it.
            os.kill(child.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self._slices.append((began, time.monotonic()))
        return self._spent(child) if has_ended else None

    def _started_or_continued(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            with _pinned(self._cpus):
                self._child = subprocess.Popen(self._command, cwd=ROOT, stdout=self._output)
        else:
            os.kill(self._child.pid, signal.SIGCONT)
        return self._child

    def _spent(self, child: subprocess.Popen[bytes]) -> Spent:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, self._command
        self._output.seek(0)
        stdout = self._output.read().decode()
        return Spent(usage.ru_utime + usage.ru_stime, stdout, tuple(self._slices))

    def close(self) -> None:
        """End it, if it has not ended."""
        self._output.close()
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
            self._child.wait()


def _ends(pid: int, secs: float | None) -> bool:
    """Wait for the end of a child for so long; it is not reaped."""
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], secs)[0])
    finally:
        os.close(descriptor)


def side_by_side(*commands: Command, cpus: int = CPUS) -> list[Spent]:
    """Run commands to their end, a slice of each in turn: the others are stopped meanwhile.

    The pace of a shared machine changes within seconds; that way it changes for all alike.
    """
    runs = [_Run(command, cpus) for command in commands]
    results: dict[_Run, Spent] = {}
    try:
        while len(results) < len(runs):
            for run in runs:
                if run not in results and (done := run.advance(SLICE_SECS)) is not None:
                    results[run] = done
    finally:
        for run in runs:
            run.close()
    return [results[run] for run in runs]


def spent(*command: str | Path, cpus: int = CPUS) -> Spent:
    """Run a command to its end."""
    run = _Run(command, cpus)
    try:
        done = run.advance(None)
    finally:
        run.close()
    assert done is not None
    return done


def program(name: str, *arguments: str | Path) -> Command:
    """A program of this folder, for `side_by_side`."""
    return (sys.executable, "-m", f"benches.replay.{name}", *arguments)


def module(name: str, *arguments: str | Path, cpus: int = CPUS) -> Spent:
    """Run a program of this folder."""
    return spent(*program(name, *arguments), cpus=cpus)


def peak_kb(name: str, *arguments: str | Path, cpus: int = CPUS) -> int:
    """The most memory that a program of this folder has."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peak"
        module("peak", path, name, *arguments, cpus=cpus)
        return int(path.read_text())


@contextmanager
def replaying(folder: Path, *options: str) -> Iterator[str]:
    """A replay server of a workload; yields its address."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benches.replay.server", str(folder), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    try:
        yield child.stdout.readline().removeprefix("listening on ").strip()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
