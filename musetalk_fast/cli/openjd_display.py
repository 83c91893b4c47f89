"""Prints progress, status and failures as Open Job Description reads them from a log.

https://github.com/OpenJobDescription/openjd-specifications/wiki/How-Jobs-Are-Run#stdoutstderr-messages:
they are taken at the beginning of a line only; progress is 0 to 100.
"""

from __future__ import annotations

from musetalk_fast.cli import formatting
from musetalk_fast.cli.batch_text import LineBatch
from musetalk_fast.cli.display import LineDisplay
from musetalk_fast.events import DoneEvent, Event, ProgressEvent


class OpenJDDisplay(LineDisplay):
    """The lines of a log, and between them those that the runtime reads."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__(verbose=verbose)
        self._status = ""
        self._percent = -1

    def advance(self, event: Event) -> None:
        """A status for each stage; progress for each whole percent of frames."""
        super().advance(event)
        # Encoding keeps pace with generating.
        if isinstance(event, ProgressEvent) and event.stage != "encode":
            self._show_status(formatting.STAGES.get(event.stage, event.stage))
            if event.stage == "generate":
                self._show_percent(100 * event.done // max(1, event.total))

    def done(self, event: DoneEvent) -> None:
        """All is done."""
        self._show_percent(100)
        super().done(event)

    def _show_status(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self.note(f"openjd_status: {status}")

    def _show_percent(self, percent: int) -> None:
        if percent != self._percent:
            self._percent = percent
            self.note(f"openjd_progress: {percent}")


class OpenJDBatch(LineBatch):
    """The same of a batch, whose progress is that of its jobs."""

    _percent = -1

    def advance(self) -> None:
        """Progress, when a job is over."""
        percent = 100 * self.ended // max(1, self.total)
        if percent != self._percent:
            self._percent = percent
            self.note(f"openjd_progress: {percent}")
