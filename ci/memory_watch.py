"""Memory of a process over time: samples, a table of them, and how fast it grows."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

_EVERY_SECS = 0.5
_STARTING = 0.25
"""Of a stretch of time, what belongs to its beginning: caches and pools are filled then."""


class Sample(NamedTuple):
    """Memory of one moment, in MB: all that is resident, and of it what is no file's."""

    secs: float
    resident: float
    own: float


class MemoryWatch:
    """Samples a process until it ends or `stop` is called."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._began = time.monotonic()
        self._ended = threading.Event()
        self.samples: list[Sample] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more samples."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with suppress(OSError, KeyError):  # the process has ended
            while not self._ended.is_set():
                lines = self._status.read_text().splitlines()
                sizes = {line.split(":")[0]: line.split() for line in lines}
                resident, own = (int(sizes[name][1]) / 1024 for name in ("VmRSS", "RssAnon"))
                self.samples.append(Sample(time.monotonic() - self._began, resident, own))
                self._ended.wait(_EVERY_SECS)

    @property
    def peak(self) -> float:
        """The most that was resident, in MB."""
        return max(sample.resident for sample in self.samples)

    def growth(self, start: float, stop: float) -> float:
        """MB by which its own memory grows in a stretch of time, without that time's beginning.

        By the line of least squares, so that the last sample's chance does not decide.

        Args:
            start, stop: seconds, of `time.monotonic`.
        """
        start += (stop - start) * _STARTING
        later = [each for each in self.samples if start <= self._began + each.secs <= stop]
        if len(later) < 2:
            return 0.0
        secs, own = [each.secs for each in later], [each.own for each in later]
        return float(np.polyfit(secs, own, 1)[0] * (secs[-1] - secs[0]))

    def table(self, lines: int = 12) -> str:
        """Some samples, evenly spaced in time."""
        some = np.linspace(0, len(self.samples) - 1, lines).round().astype(int)
        rows = [self.samples[number] for number in dict.fromkeys(some.tolist())]
        return "\n".join(
            f"  {each.secs:7.0f} s {each.resident:7.0f} MB resident {each.own:7.0f} MB its own"
            for each in rows
        )
