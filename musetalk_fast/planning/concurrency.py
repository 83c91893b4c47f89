"""The number of encoders, and the threads of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

MAX_ENCODERS = 16
MAX_THREADS = 16
"""Of one encoder; x264 gains nothing from more at the sizes of a portrait."""

_DEVICE_ENCODERS = 2
"""Two sessions keep an encoder in hardware busy; cheap cards allow few."""

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


class Concurrency(NamedTuple):
    """Encoders at a time, and threads of each."""

    encoders: int
    threads: int


def choose_concurrency(segments: int, processors: int, *, in_software: bool = True) -> Concurrency:
    """Encoders with one thread each where there are segments enough; else more threads.

    Two x264 encoders with one thread each make more frames a second than one with two; but a
    segment shorter than the key-frame interval would cost bits, so a short clip is not cut more.
    The last segments of a render would leave processors idle: few segments get spare threads.
    """
    if not in_software:
        return Concurrency(min(segments, _DEVICE_ENCODERS), 1)
    encoders = max(1, min(segments, processors, MAX_ENCODERS))
    if segments >= 2 * processors == 2 * encoders:
        return Concurrency(encoders, 1)
    # x264's own rule: three threads for two processors.
    return Concurrency(encoders, min(MAX_THREADS, max(1, 3 * processors // (2 * encoders))))


def processors() -> int:
    """Processors this process may use: its affinity, and the quota of its control group."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = cgroup_quota(_MEMBERSHIP, _CGROUPS)
    return count if quota is None else max(1, min(count, int(quota + 0.5)))


def cgroup_quota(membership: Path, root: Path) -> float | None:
    """Processors' worth of time that control groups allow, or None for no limit.

    Args:
        membership: `/proc/self/cgroup`.
        root: where the hierarchy is mounted.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    limits: list[float | None] = []
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            limits += _limits(root, group, _second_version)
        elif "cpu" in controllers.split(","):
            limits += _limits(root / "cpu", group, _first_version)
    return min((limit for limit in limits if limit is not None), default=None)


def _limits(root: Path, group: str, read: Callable[[Path], float | None]) -> Iterator[float | None]:
    """Of a group and of those above it: the smallest counts."""
    folder = root / group.strip().lstrip("/")
    return (read(each) for each in (folder, *folder.parents) if each.is_relative_to(root))


def _second_version(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None  # absent, or `max`


def _first_version(folder: Path) -> float | None:
    try:
        quota, period = (
            int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period")
        )
        return quota / period if quota > 0 else None  # -1: no limit
    except (OSError, ValueError, ZeroDivisionError):
        return None
