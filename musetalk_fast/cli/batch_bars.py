"""Bars of a batch on a terminal: one for all jobs, and one for each that is at work.

As in `bar_display` the cursor rests at the beginning of the first line, and everything below is
ours.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from musetalk_fast.cli import formatting
from musetalk_fast.cli.bar_display import CUT, ERASE, WRAP, columns, drawn_bar, write
from musetalk_fast.cli.batch_display import Running
from musetalk_fast.cli.batch_text import TextBatch
from musetalk_fast.cli.display import MAX_LENGTH, print_out
from musetalk_fast.wire.printable import printable

_PERIOD_SECS = 0.1
_CLOCK_SECS = 1.0
_LONGEST_NAME = 24
_LONGEST_BAR = 20
_SHORTEST_BAR = 5
_MOST = 12
"""Jobs that have a bar."""


class BarBatch(TextBatch):
    """Bars on stderr; a line above them for each video, warning and error."""

    def __init__(self, total: int, *, verbose: bool) -> None:
        super().__init__(total, verbose=verbose)
        self._lock = threading.RLock()
        self._drawn_at = 0.0
        self._is_drawn = False
        self._closed = threading.Event()
        with suppress(RuntimeError):  # where the system starts no more threads
            threading.Thread(target=self._tick, name="clock", daemon=True).start()

    def note(self, text: str) -> None:
        """A line on stderr, above the bars."""
        with self._without_bars():
            write(f"{printable(text, MAX_LENGTH)}\n")

    def answer(self, text: str) -> None:
        """A line on stdout, which is the same terminal or goes elsewhere."""
        with self._without_bars():
            print_out(printable(text, MAX_LENGTH))

    def advance(self) -> None:
        """Draw, not too often."""
        with self._lock:
            if time.monotonic() - self._drawn_at >= _PERIOD_SECS:
                self._draw()

    def close(self) -> None:
        """Take the bars away."""
        with self._lock:
            self._closed.set()
            self._erase()

    @contextmanager
    def _without_bars(self) -> Iterator[None]:
        with self._lock:
            self._erase()
            yield
            self._draw()

    def _erase(self) -> None:
        if self._is_drawn:
            write(ERASE)
        self._is_drawn = False

    def _draw(self) -> None:
        if self._closed.is_set() or self.stopped:
            return
        self._drawn_at = time.monotonic()
        lines = list(self.lines(columns(), _rows()))
        up = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
        write(f"{ERASE if self._is_drawn else ''}{CUT}" + "\r\n".join(lines) + f"{WRAP}\r{up}")
        self._is_drawn = True

    def lines(self, wide: int, high: int) -> Iterator[str]:
        """The bars as they are now, for a terminal so wide and high."""
        facts = [formatting.clock(self.elapsed())]
        if (eta := self.eta_secs()) is not None:
            facts.append(f"{formatting.clock(eta)} left")
        if self.counts["failed"]:
            facts.append(f"{self.counts['failed']} failed")
        if self.counts["kept"]:
            facts.append(f"{self.counts['kept']} there already")
        yield _line(f"  {self.ended} of {self.total}", self.ended, self.total, facts, wide)
        running = list(self.running.values())
        shown = running[: max(0, min(_MOST, high - 3))]
        width = max((min(_LONGEST_NAME, len(printable(each.name))) for each in shown), default=0)
        yield from (self._job_line(each, width, wide) for each in shown)
        if len(shown) < len(running):
            yield f"  and {len(running) - len(shown)} more"[: wide - 1]

    def _job_line(self, job: Running, width: int, wide: int) -> str:
        name = printable(job.name)
        if len(name) > width:
            name = "…" + name[len(name) - width + 1 :]
        stage = formatting.STAGES[job.stage]
        facts = [] if job.fps is None else [f"{job.fps:.0f} fps"]
        if job.eta_secs is not None and job.done < job.total:
            facts.insert(0, f"{formatting.clock(job.eta_secs)} left")
        return _line(f"  {name:<{width}}  {stage:<10}", job.done, job.total, facts, wide)

    def _tick(self) -> None:
        while not self._closed.wait(_CLOCK_SECS):
            with self._lock:
                self._draw()


def _line(head: str, done: int, total: int, facts: list[str], wide: int) -> str:
    """`  anna  generating  45% ████░░░░ 0:04 left`: the last facts go first, then the bar."""
    head = f"{head} {formatting.percent(done, total):>4}"
    free = wide - 1 - len(head)
    for count in range(len(facts), -1, -1):
        text = ", ".join(facts[:count])
        length = free - len(text) - 2
        if length >= _SHORTEST_BAR:
            return f"{head} {drawn_bar(done, total, min(length, _LONGEST_BAR))} {text}".rstrip()
    return head[: max(0, wide - 1)]


def _rows() -> int:
    with suppress(OSError, ValueError):
        rows = os.get_terminal_size(sys.stderr.fileno()).lines
        if rows > 0:
            return rows
    return 24
