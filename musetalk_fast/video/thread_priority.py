"""SVT-AV1 takes real-time priority where it runs as root; this gives it back.

Opened by root, the library puts the thread that opens it and all of its own under `SCHED_FIFO` at
priority 99, and leaves that thread there: it and every thread that it starts later then run before
everything else on the machine, servers and logins included. Seen with SVT-AV1 4.1.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CODEC = "libsvtav1"
_THREADS = Path("/proc/self/task")


@contextmanager
def keeping_thread_priority(codec: str) -> Iterator[None]:
    """To open an encoder in: threads that became real-time are as they were, new ones as this one.

    Args:
        codec: FFmpeg's name.
    """
    if codec != _CODEC or os.geteuid() != 0 or not _THREADS.is_dir():
        yield
        return
    before = _policies()
    own = before.get(threading.get_native_id(), (os.SCHED_OTHER, 0))
    try:
        yield
    finally:
        for thread, found in _policies().items():
            policy, priority = before.get(thread, own)
            if found[0] == os.SCHED_FIFO and found != (policy, priority):
                with suppress(OSError):  # it has ended
                    os.sched_setscheduler(thread, policy, os.sched_param(priority))


def _policies() -> dict[int, tuple[int, int]]:
    """The scheduling policy and the priority of each thread of this process."""
    found = {}
    for each in _THREADS.iterdir():
        with suppress(OSError):  # it has ended
            thread = int(each.name)
            policy, priority = os.sched_getscheduler(thread), os.sched_getparam(thread)
            found[thread] = policy, priority.sched_priority
    return found
