"""Shows a batch: JSON lines, plain lines, or nothing; its bars are in `batch_bars`."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

from musetalk_fast.cli import formatting
from musetalk_fast.cli.display import MAX_LENGTH, event_name, print_error, print_out
from musetalk_fast.cli.error_report import describe, in_words
from musetalk_fast.cli.heartbeat import Heartbeat
from musetalk_fast.cli.json_lines import json_line
from musetalk_fast.events import (
    DoneEvent,
    Event,
    FacelessEvent,
    FacesEvent,
    PlanEvent,
    ProgressEvent,
    ServerEvent,
    WarningEvent,
)
from musetalk_fast.wire.printable import printable

if TYPE_CHECKING:
    from musetalk_fast.batching import Job, Outcome
    from musetalk_fast.errors import MuseTalkError


@dataclass(slots=True)
class Running:
    """A job at work: how far it is."""

    name: str
    began: float
    stage: str = "load"
    done: int = 0
    total: int = 1
    fps: float | None = None
    eta_secs: float | None = None
    held: list[Event] | None = field(default_factory=list)
    """What was said before its plan: not shown of a video that is there already."""

    def take(self, event: ProgressEvent) -> None:
        """A stage goes on; encoding keeps pace with generating."""
        if event.stage == "encode" and self.stage == "generate" and self.done < self.total:
            return
        self.stage, self.done, self.total = event.stage, event.done, event.total
        self.fps, self.eta_secs = event.fps, event.eta_secs

    @property
    def percent(self) -> str:
        """`generating 45%`."""
        return f"{formatting.STAGES[self.stage]} {formatting.percent(self.done, self.total)}"


class BatchDisplay:
    """Shows nothing: what the others begin with. Follows a batch as `BatchListener` has it."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.counts = {"done": 0, "kept": 0, "failed": 0}
        self.running: dict[str, Running] = {}
        self.stopped = False
        self._began = time.monotonic()
        self._rendering_since: float | None = None

    def __enter__(self) -> BatchDisplay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def ended(self) -> int:
        """Jobs that are over."""
        return sum(self.counts.values())

    def elapsed(self) -> float:
        """Seconds since the batch began."""
        return time.monotonic() - self._began

    def eta_secs(self) -> float | None:
        """Seconds until all jobs are over, as those that were rendered went; None at first."""
        rendered = self.counts["done"]
        if not rendered or self._rendering_since is None or self.ended >= self.total:
            return None
        each = (time.monotonic() - self._rendering_since) / rendered
        return each * (self.total - self.ended)

    def begin(self, job: Job) -> None:
        """This job begins."""
        self._rendering_since = self._rendering_since or time.monotonic()
        self.running[job.name] = Running(job.name, time.monotonic())

    def event(self, job: Job | None, event: Event) -> None:
        """Something happens in a job, or to the servers."""
        if self.stopped:
            return
        if job is None:
            self.show(None, event)
            return
        running = self.running[job.name]
        if isinstance(event, ProgressEvent):
            running.take(event)
        if isinstance(event, PlanEvent):
            self._show_held(running)
        if running.held is None or isinstance(event, ProgressEvent):
            self.show(job.name, event)
        else:
            running.held.append(event)

    def end(self, outcome: Outcome) -> None:
        """A job is over."""
        running = self.running.pop(outcome.job.name)
        if outcome.error is not None:
            self._show_held(running)
        state = "done" if outcome.result else "kept" if outcome.kept else "failed"
        self.counts[state] += 1
        if outcome.error is not None:
            self.fail(outcome.job.name, outcome.error)
        self.show_end(outcome)

    def _show_held(self, running: Running) -> None:
        for event in running.held or ():
            self.show(running.name, event)
        running.held = None

    def interrupt(self) -> None:
        """The batch is stopped."""
        self.stopped = True
        self.say_stopped(
            f"stopped: {self.ended} of {self.total} jobs were over, {len(self.running)} at work; "
            "the same command again continues"
        )

    def show(self, job: str | None, event: Event) -> None:
        """An event."""

    def show_end(self, outcome: Outcome) -> None:
        """How a job ended."""

    def fail(self, job: str, error: MuseTalkError) -> None:
        """Why a job failed."""

    def say_stopped(self, text: str) -> None:
        """That it was stopped."""

    def warn(self, message: str, token: str) -> None:
        """Something about the batch as a whole."""
        self.show(None, WarningEvent(message=message, token=token))

    def result(self, name: str, members: dict[str, Any], text: str) -> None:
        """The answer at the end: `members` as JSON, or `text`."""

    def close(self) -> None:
        """Nothing more will come."""


class QuietBatch(BatchDisplay):
    """What `-q` wants: errors only."""

    def fail(self, job: str, error: MuseTalkError) -> None:
        """The job's name and its error on stderr."""
        for line in _error_lines(job, error):
            print_error(line)

    def say_stopped(self, text: str) -> None:
        """On stderr."""
        print_error(text)


class JsonBatch(BatchDisplay):
    """One object per line on stdout: events with their `job`, and after each job the `batch`."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self._heartbeat = Heartbeat(lambda: self._write_state("running"))
        self._heartbeat.start()

    def close(self) -> None:
        """No more states."""
        self._heartbeat.stop()

    def show(self, job: str | None, event: Event) -> None:
        """Write the event's fields."""
        self._write(event_name(event), job, asdict(event))

    def show_end(self, outcome: Outcome) -> None:  # noqa: ARG002
        """How far the batch is."""
        self._write_state("running")

    def fail(self, job: str, error: MuseTalkError) -> None:
        """As a failed run writes it."""
        self._write("error", job, describe(error))

    def say_stopped(self, text: str) -> None:  # noqa: ARG002
        """How far it was."""
        self._write_state("stopped")

    def result(self, name: str, members: dict[str, Any], text: str) -> None:  # noqa: ARG002
        """Write the members."""
        self._write(name, None, members)

    def _write_state(self, state: str) -> None:
        eta = self.eta_secs()
        left = None if eta is None else round(eta, 1)
        members = {"state": state, "total": self.total, **self.counts, "eta_secs": left}
        self._write("batch", None, members)

    def _write(self, name: str, job: str | None, members: dict[str, Any]) -> None:
        self._heartbeat.shown()
        named = {} if job is None else {"job": job}
        print_out(json_line({"event": name, **named, **members}))


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
            self.note(f"{named}warning: {formatting.warning_text(event)}")
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
