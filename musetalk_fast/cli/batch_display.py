"""Follows a batch for display: jobs at work, jobs that ended, time left.

How that is shown: `batch_json_lines`, `batch_text`, `batch_bars`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

from musetalk_fast.cli import formatting
from musetalk_fast.events import (
    Event,
    PlanEvent,
    ProgressEvent,
    WarningEvent,
)

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
