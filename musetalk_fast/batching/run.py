"""Plans or renders a list of jobs with one set of servers; a job that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from musetalk_fast.batching.job_list import Job
from musetalk_fast.config import Settings
from musetalk_fast.errors import InternalError, MuseTalkError, OutputWriteError
from musetalk_fast.events import Event, OnEvent
from musetalk_fast.planning import Plan, make_plan
from musetalk_fast.rendering import Renderer, RenderResult

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """How a job ended: with a result, or with an error."""

    job: Job
    result: T | None = None
    error: MuseTalkError | None = None


class BatchListener(Protocol):
    """Who follows a batch; called on the event loop's thread."""

    def begin(self, job: Job) -> None:
        """This job begins."""

    def event(self, event: Event) -> None:
        """Something happens in it."""

    def end(self, outcome: Outcome[RenderResult]) -> None:
        """It is over."""


def make_folder(outputs: Path) -> None:
    """Make the folder for the videos, if it is not there.

    Raises:
        errors.OutputWriteError: it cannot be made.
    """
    try:
        outputs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputWriteError(
            f"cannot make the folder: {error.strerror}", where=str(outputs)
        ) from error


def plan_all(
    jobs: Iterable[Job], settings: Settings, on_event: Callable[[Job, Event], None]
) -> list[Outcome[Plan]]:
    """Plan every job, without a server and without writing anything.

    Args:
        on_event: called with what the planning of a job reports.
    """
    return [_plan(job, settings, partial(on_event, job)) for job in jobs]


async def render_all(
    jobs: Sequence[Job], settings: Settings, listener: BatchListener
) -> list[Outcome[RenderResult]]:
    """Render one job after another with one server; a job that fails does not stop the others.

    Raises:
        errors.ServerError: the server cannot be opened; if none was chosen, the default one.
        errors.OutputWriteError: the folder for the videos cannot be made.
    """
    outcomes = []
    async with Renderer(settings, listener.event, fallback=False) as renderer:
        await renderer.connect()
        for folder in {job.output.parent for job in jobs}:
            make_folder(folder)
        for job in jobs:
            listener.begin(job)
            outcome = await _render(renderer, job)
            listener.end(outcome)
            outcomes.append(outcome)
    return outcomes


def _plan(job: Job, settings: Settings, on_event: OnEvent) -> Outcome[Plan]:
    try:
        return Outcome(job, _planned(job, settings, on_event))
    except Exception as error:  # noqa: BLE001 - see `_as_ours`
        return Outcome(job, error=_as_ours(error, job))


def _planned(job: Job, settings: Settings, on_event: OnEvent) -> Plan:
    """As if the folder for the videos were there: a dry run does not make it."""
    folder = job.output.parent
    if folder.exists():
        return make_plan(job.avatar, job.audio, job.output, settings, on_event=on_event)
    above = next(each for each in folder.absolute().parents if each.exists())
    settings = replace(settings, output=replace(settings.output, overwrite=True))
    output = above / job.output.name
    plan = make_plan(job.avatar, job.audio, output, settings, on_event=on_event)
    return replace(plan, output=job.output)


async def _render(renderer: Renderer, job: Job) -> Outcome[RenderResult]:
    try:
        return Outcome(job, await renderer.render(job.avatar, job.audio, job.output))
    except Exception as error:  # noqa: BLE001 - see `_as_ours`
        return Outcome(job, error=_as_ours(error, job))


def _as_ours(error: Exception, job: Job) -> MuseTalkError:
    """A fault of ours in one job must not cost the other jobs of the night."""
    if isinstance(error, MuseTalkError):
        return error
    ours = InternalError(f"{type(error).__name__}: {error}", where=job.name)
    ours.__cause__ = error
    return ours
