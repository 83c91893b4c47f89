"""How the jobs of a batch end, and who follows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from musetalk_fast.batching.batch_job import Job
from musetalk_fast.errors import InternalError, MuseTalkError
from musetalk_fast.events import Event
from musetalk_fast.planning import Plan
from musetalk_fast.rendering import RenderResult


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: exactly one of the three is there.

    Attributes:
        result: it was rendered.
        kept: its plan: the video of it was there already.
        error: it failed.
    """

    job: Job
    result: RenderResult | None = None
    kept: Plan | None = None
    error: MuseTalkError | None = None


class BatchListener(Protocol):
    """Who follows a batch; called on the event loop's thread."""

    def begin(self, job: Job) -> None:
        """This job begins."""

    def event(self, job: Job | None, event: Event) -> None:
        """Something happens in a job, or to the servers of all."""

    def end(self, outcome: Outcome) -> None:
        """A job is over."""

    def interrupt(self) -> None:
        """The batch is stopped: jobs at work end without an outcome."""


def failed(job: Job, error: Exception) -> Outcome:
    """A job that ended with an error; a fault of ours must not cost the others of the night."""
    if isinstance(error, MuseTalkError):
        return Outcome(job, error=error)
    ours = InternalError(f"{type(error).__name__}: {error}", where=job.name)
    ours.__cause__ = error
    return Outcome(job, error=ours)
