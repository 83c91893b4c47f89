"""Bars on a terminal: loading, sending, generating with its speed and time left, encoding."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from musetalk_fast.cli import formatting
from musetalk_fast.cli.display import TextDisplay
from musetalk_fast.events import Event, ProgressEvent, UploadEvent
from musetalk_fast.wire.printable import printable

_PERIOD_SECS = 0.1
_MAX_LENGTH = 4000


class BarDisplay(TextDisplay):
    """A bar for each stage; they vanish when the render is done."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__(verbose=verbose)
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._sent: dict[tuple[str, str], tuple[int, int]] = {}
        self._drawn = 0.0

    def advance(self, event: Event) -> None:
        """Move the stage's bar."""
        if isinstance(event, UploadEvent):
            self._sent[event.server, event.asset] = (event.sent, event.total)
            sent = sum(sent for sent, _ in self._sent.values())
            total = sum(total for _, total in self._sent.values())
            text = f"{formatting.size(sent)} of {formatting.size(total)}"
            self._move("send", sent, total, text)
        elif isinstance(event, ProgressEvent):
            # The line says `generating 120/500, ...`; the bar has its own first word.
            text = formatting.progress_line(event).partition(" ")[2]
            self._move(event.stage, event.done, event.total, text)

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._console.print(printable(text, _MAX_LENGTH))

    def begin(self, job: str) -> None:
        """A headline; the bars start again."""
        self.close()
        super().begin(job)

    def close(self) -> None:
        """Take the bars away."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = None
        self._tasks.clear()
        self._sent.clear()

    def _move(self, stage: str, done: int, total: int, text: str) -> None:
        if self._progress is None:
            self._progress = _start(self._console)
        if stage not in self._tasks:
            name = formatting.STAGES.get(stage, stage)
            self._tasks[stage] = self._progress.add_task(name, total=total, text="")
        self._progress.update(self._tasks[stage], completed=done, total=total, text=text)
        now = time.monotonic()
        if now - self._drawn >= _PERIOD_SECS or done >= total:
            self._progress.refresh()
            self._drawn = now


def _start(console: Console) -> Progress:
    progress = Progress(
        TextColumn("{task.description:<11}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        console=console,
        # Drawn when an event comes: no thread of its own beside the encoder.
        auto_refresh=False,
        transient=True,
    )
    progress.start()
    return progress
