"""Processes, and what the system says they have cost."""

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


class Spent(NamedTuple):
    """CPU and wall time in seconds, what was printed, when it began by `time.monotonic`."""

    cpu: float
    wall: float
    stdout: str
    began: float


def spent(*command: str | Path) -> Spent:
    """Run a command to its end."""
    began = time.monotonic()
    child = subprocess.Popen(
        [str(word) for word in command], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout:
        stdout = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, command
    wall = time.monotonic() - began
    return Spent(usage.ru_utime + usage.ru_stime, wall, stdout, began)


def module(name: str, *arguments: str | Path) -> Spent:
    """Run a program of this folder."""
    return spent(sys.executable, "-m", f"benches.replay.{name}", *arguments)


def peak_kb(name: str, *arguments: str | Path) -> int:
    """The most memory that a program of this folder has."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peak"
        module("peak", path, name, *arguments)
        return int(path.read_text())


@contextmanager
def replaying(folder: Path, *options: str) -> Iterator[str]:
    """A replay server of a scene; gives its address."""
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
