"""How many frames a second several servers of a known pace come to."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from workload import Workload

from musetalk_fast import render_async

THROUGHPUT = 40.0
"""Frames a second of one server."""

WANTED = 0.95
"""The share of what the servers make that a long render reaches."""

_BUSY = 0.9
"""The share of its processors from which on a client counts as held up by them."""


@dataclass(frozen=True)
class Measured:
    """A render with several servers.

    Attributes:
        servers: how many.
        fps: frames a second while frames were made.
        cpu: processors that the client kept busy, by the operating system's count.
    """

    servers: int
    fps: float
    cpu: float

    @property
    def share(self) -> float:
        """Of what the servers make."""
        return self.fps / (THROUGHPUT * self.servers)

    def fault(self, processors: int) -> str | None:
        """What is wrong if the share is too small though the client had processors to spare."""
        if self.share >= WANTED or self.cpu >= _BUSY * processors:
            return None
        return (
            f"{self.servers} servers: {self.fps:.1f} frames/s are {self.share:.3f} of "
            f"{THROUGHPUT * self.servers:.0f}, below {WANTED}, with {self.cpu:.2f} of {processors} "
            "processors in use by the client"
        )


def usable_processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def reached(
    workload: Workload, output: Path, urls: list[str], segment_secs: float = 1.0
) -> tuple[float, float]:
    """Frames a second while frames were made, and the seconds of the entire render."""
    began = time.monotonic()
    result = await render_async(
        workload.avatar, workload.audio, output, workload.settings(*urls, segment_secs=segment_secs)
    )
    return result.fps, time.monotonic() - began
