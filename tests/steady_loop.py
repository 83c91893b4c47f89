"""The event loop of the tests: its clock stands still while the machine holds the process up.

A time-out of a second is then a second in which both ends could run, and a test that waits for
one says the same on a machine that stops for five.
"""

from __future__ import annotations

import asyncio
import selectors
import time

_SLICE_SECS = 0.05
"""Longest wait in one go: what a wait takes beyond it is no time of the test."""
_TOLERANCE_SECS = 0.02


class SteadyLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose clock leaves out the time without a processor."""

    def __init__(self) -> None:
        self._lost_secs = 0.0
        self._seen = time.monotonic()
        self._seen_cpu = time.thread_time()
        super().__init__(_SlicedSelector(self))

    def time(self) -> float:
        """Seconds, as of `time.monotonic`, less what was lost since the loop was made."""
        now, cpu = time.monotonic(), time.thread_time()
        self._account(now, now - self._seen - (cpu - self._seen_cpu))
        self._seen_cpu = cpu
        return now - self._lost_secs

    def waited(self, secs: float | None) -> None:
        """A wait of so many seconds at most is over; None: without an end."""
        now = time.monotonic()
        self._account(now, 0.0 if secs is None else now - self._seen - secs)
        self._seen_cpu = time.thread_time()

    def _account(self, now: float, idle_secs: float) -> None:
        if idle_secs > _TOLERANCE_SECS:
            self._lost_secs += idle_secs
        self._seen = now


class _SlicedSelector(selectors.DefaultSelector):
    def __init__(self, loop: SteadyLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.time()
        longest = None if timeout is None else min(timeout, _SLICE_SECS)
        found = super().select(longest)
        self._loop.waited(longest)
        return found
