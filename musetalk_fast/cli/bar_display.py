"""A bar on a terminal: one line for the stage at work, which vanishes when the render is done.

The cursor rests at the line's beginning, and everything below it is ours: one code erases it,
however a terminal has wrapped the line anew when it was resized. Libraries (rich, tqdm) leave it
behind the last line and count rows back from there, by a width that is no longer true.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from musetalk_fast.cli import formatting
from musetalk_fast.cli.display import MAX_LENGTH, TextDisplay
from musetalk_fast.events import Event, ProgressEvent, UploadEvent, WeightsEvent
from musetalk_fast.wire.printable import printable

_PERIOD_SECS = 0.1
_CLOCK_SECS = 1.0
ERASE = "\r\x1b[2K \x1b[J\r"
"""For tmux, the line by itself, else it stays joined to the next one; then a space, for what is
erased from the top of the screen on goes into the history.
"""

CUT, WRAP = "\x1b[?7l", "\x1b[?7h"
"""What to do with too wide a line: tmux is narrower than it says, for a moment after a resize."""

_SHORTEST, _LONGEST = 5, 20
"""Of a bar, in characters. Short: a window of more than 72 columns never has to wrap the line."""

_ORDER = list(formatting.STAGES)


@dataclass(frozen=True, slots=True)
class Bar:
    """A stage at work.

    Attributes:
        facts: what else is known, the most important first.
    """

    stage: str
    done: int
    total: int
    facts: list[str]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.done >= self.total


class BarDisplay(TextDisplay):
    """A bar for the latest stage. Its time goes on between events: a server may take long."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__(verbose=verbose)
        self._lock = threading.Lock()
        self._bar: Bar | None = None
        self._sent: dict[tuple[str, str], tuple[int, int]] = {}
        self._drawn = 0.0
        self._closed = threading.Event()
        self._closed.set()

    def advance(self, event: Event) -> None:
        """Move the bar."""
        if isinstance(event, UploadEvent):
            self._sent[event.server, event.asset] = (event.sent, event.total)
            sent = sum(sent for sent, _ in self._sent.values())
            total = sum(total for _, total in self._sent.values())
            self._move(Bar("send", sent, total, [formatting.sent(sent, total)]))
        elif isinstance(event, WeightsEvent):
            facts = formatting.weights_facts(event)
            self._move(Bar(event.stage, event.done, event.total, facts))
        elif isinstance(event, ProgressEvent):
            self._move(Bar(event.stage, event.done, event.total, formatting.progress_facts(event)))

    def note(self, text: str) -> None:
        """A line above the bar."""
        with self._lock:
            write(f"{ERASE if self._bar else ''}{printable(text, MAX_LENGTH)}\n")
            self._draw()

    def close(self) -> None:
        """Take the bar away."""
        with self._lock:
            self._closed.set()
            if self._bar is not None:
                write(ERASE)
            self._bar = None
            self._sent.clear()

    def _move(self, bar: Bar) -> None:
        with self._lock:
            if self._bar is not None and not _replaces(bar, self._bar):
                return
            self._bar = bar
            if bar.finished or self.elapsed() - self._drawn >= _PERIOD_SECS:
                self._draw()
            if self._closed.is_set():
                self._start_clock()

    def _draw(self) -> None:
        if self._bar is None:
            return
        self._drawn = self.elapsed()
        facts = [formatting.clock(self._drawn), *self._bar.facts]
        write(f"{ERASE}{CUT}{bar_line(self._bar, facts, columns())}{WRAP}\r")

    def _start_clock(self) -> None:
        """Draw once a second; where the system starts no more threads, with events only."""
        self._closed = closed = threading.Event()

        def tick() -> None:
            while not closed.wait(_CLOCK_SECS):
                with self._lock:
                    if not closed.is_set():
                        self._draw()

        with suppress(RuntimeError):
            threading.Thread(target=tick, name="clock", daemon=True).start()


def _replaces(bar: Bar, shown: Bar) -> bool:
    """One server may still be prepared while another generates; encoding keeps pace with that."""
    if bar.stage == "encode" and shown.stage == "generate":
        return shown.finished
    return _ORDER.index(bar.stage) >= _ORDER.index(shown.stage)


def bar_line(bar: Bar, facts: Sequence[str], wide: int) -> str:
    """`  generating  45% ████░░░░░ 0:12, 0:04 left`, shorter than the terminal is wide.

    What does not fit is left out: the last facts, then the bar, then the first fact. The cursor
    rests on the two spaces.

    Args:
        facts: at least one, the most important first.
    """
    name = formatting.STAGES.get(bar.stage, bar.stage)
    head = f"  {name:<10} {formatting.percent(bar.done, bar.total):>4}"
    free = wide - 1 - len(head)  # in the last column some terminals begin a new line
    for count in range(len(facts), 0, -1):
        text = ", ".join(facts[:count])
        length = free - len(text) - 2
        if length >= _SHORTEST:
            return f"{head} {drawn_bar(bar.done, bar.total, min(length, _LONGEST))} {text}"
    return f"{head} {facts[0]}" if len(facts[0]) < free else head[: max(0, wide - 1)]


def drawn_bar(done: int, total: int, length: int) -> str:
    """`████░░░░░` of so many characters; of others where the terminal has none of these."""
    filled = length * done // max(1, total)
    drawn = "█" * filled + "░" * (length - filled)
    try:
        drawn.encode(sys.stderr.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * filled + "." * (length - filled)
    return drawn


def columns() -> int:
    """The terminal's width as it is now; what the environment says, where the terminal does not."""
    with suppress(OSError, ValueError):
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
        if columns > 0:
            return columns
    return shutil.get_terminal_size().columns


def write(text: str) -> None:
    """Write to stderr; no render ends because nobody sees it."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
