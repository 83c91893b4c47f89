"""A batch as text: plain lines, or its errors only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from musetalk_fast.cli import formatting
from musetalk_fast.cli.batch_display import BatchDisplay
from musetalk_fast.cli.display import MAX_LENGTH, print_error, print_out
from musetalk_fast.cli.error_report import describe, in_words
from musetalk_fast.cli.heartbeat import Heartbeat
from musetalk_fast.events import (
    DoneEvent,
    Event,
    FacelessEvent,
    FacesEvent,
    PlanEvent,
    ServerEvent,
    WarningEvent,
)
from musetalk_fast.wire.printable import printable

if TYPE_CHECKING:
    from musetalk_fast.batching import Outcome
    from musetalk_fast.errors import MuseTalkError


class QuietBatch(BatchDisplay):
    """What `-q` wants: errors only."""

    def fail(self, job: str, error: MuseTalkError) -> None:
        """The job's name and its error on stderr."""
        for line in _error_lines(job, error):
            print_error(line)

    def say_stopped(self, text: str) -> None:
        """On stderr."""
        print_error(text)


class TextBatch(BatchDisplay):
    """What lines and bars share: notes on stderr, finished videos and the answer on stdout."""

    def __init__(self, total: int, *, verbose: bool) -> None:
        super().__init__(total)
        self._verbose = verbose
        self._videos: dict[str, DoneEvent] = {}

    def show(self, job: str | None, event: Event) -> None:
        """Say what needs saying."""
        named = "" if job is None else f"{job}: "
        if isinstance(event, WarningEvent | FacelessEvent):
            self.note(named + formatting.warning_line(event))
        elif isinstance(event, FacesEvent):
            if self._verbose or len(event.faces) > 1:
                self.note(named + formatting.faces_line(event))
        elif isinstance(event, ServerEvent):
            self.note(formatting.server_line(event))
        elif isinstance(event, PlanEvent):
            if self._verbose:
                self.note(named + formatting.plan_line(event))
        elif isinstance(event, DoneEvent) and job is not None:
            self._videos[job] = event
        else:
            self.advance()

    def show_end(self, outcome: Outcome) -> None:
        """A line for a video that was made."""
        name, count = outcome.job.name, f"{self.ended} of {self.total}"
        done = self._videos.pop(name, None)
        if done is not None:
            self.answer(f"{count}: {outcome.job.name}: {formatting.job_line(done)}")
            if self._verbose:
                self.note(f"{name}: {formatting.time_line(done)}")
        elif outcome.kept is not None and self._verbose:
            self.note(f"{count}: {name}: there already")
        self.advance()

    def fail(self, job: str, error: MuseTalkError) -> None:
        """The job's name and its error."""
        for line in _error_lines(job, error):
            self.note(line)

    def say_stopped(self, text: str) -> None:
        """A line on stderr."""
        self.note(text)

    def result(self, name: str, members: dict[str, Any], text: str) -> None:  # noqa: ARG002
        """The text, on stdout."""
        self.close()
        for line in text.splitlines():
            self.answer(line)

    def note(self, text: str) -> None:
        """A line on stderr."""
        print_error(text)

    def answer(self, text: str) -> None:
        """A line on stdout."""
        print_out(printable(text, MAX_LENGTH))

    def advance(self) -> None:
        """Show how far it is."""


class LineBatch(TextBatch):
    """Plain lines, for logs and pipes; one now and then if nothing else is said."""

    def __init__(self, total: int, *, verbose: bool) -> None:
        super().__init__(total, verbose=verbose)
        self._heartbeat = Heartbeat(lambda: self.note(self.so_far()))
        self._heartbeat.start()

    def note(self, text: str) -> None:
        """A line on stderr."""
        self._heartbeat.shown()
        super().note(text)

    def answer(self, text: str) -> None:
        """A line on stdout."""
        self._heartbeat.shown()
        super().answer(text)

    def close(self) -> None:
        """No more lines about how far it is."""
        self._heartbeat.stop()

    def so_far(self) -> str:
        """`12 of 200 jobs, 0:35, 3:20 left; anna: generating 45%, bob: joining 0%`."""
        facts = [f"{self.ended} of {self.total} jobs", formatting.clock(self.elapsed())]
        if (eta := self.eta_secs()) is not None:
            facts.append(f"{formatting.clock(eta)} left")
        running = [f"{each.name}: {each.percent}" for each in list(self.running.values())]
        return ", ".join(facts) + (f"; {', '.join(running)}" if running else "")


def _error_lines(job: str, error: MuseTalkError) -> list[str]:
    return f"{job}: {in_words(describe(error))}".splitlines()
