"""Prints a line now and then while nothing else is printed: farms take silence for a hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

PERIOD_SECS = 30.0
"""Well below the shortest limits that farms set for a log without a line (a minute)."""


class Heartbeat:
    """Calls a function, in a thread of its own, whenever nothing was shown for a period.

    Args:
        beat: writes the sign of life; what it writes counts as shown.
    """

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._shown = time.perf_counter()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin; without a thread, where the system starts no more, there are no signs of life."""
        self.shown()
        with suppress(RuntimeError):
            self._thread.start()

    def shown(self) -> None:
        """Something was shown: the period begins anew."""
        self._shown = time.perf_counter()

    def stop(self) -> None:
        """No call begins after this one has returned."""
        self._stopped.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._shown + PERIOD_SECS - time.perf_counter()):
            if time.perf_counter() - self._shown >= PERIOD_SECS:
                self.shown()
                self._beat()
