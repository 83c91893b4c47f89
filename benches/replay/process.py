"""Processes, and what the system says they have cost.

What is measured runs on as many processors as it is given, whatever the machine has.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


CPUS = 2
"""That a program may use."""


class Spent(NamedTuple):
    """CPU and wall time in seconds, what was printed, when it began by `time.monotonic`."""

    cpu: float
    wall: float
    stdout: str
    began: float


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


def spent(*command: str | Path, cpus: int = CPUS) -> Spent:
    """Run a command to its end."""
    words = [str(word) for word in command]
    with _pinned(cpus):
        began = time.monotonic()
        child = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        stdout = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, command
    wall = time.monotonic() - began
    return Spent(usage.ru_utime + usage.ru_stime, wall, stdout, began)


def module(name: str, *arguments: str | Path, cpus: int = CPUS) -> Spent:
    """Run a program of this folder."""
    return spent(sys.executable, "-m", f"benches.replay.{name}", *arguments, cpus=cpus)


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
