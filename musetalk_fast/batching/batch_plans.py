"""The plans of all jobs of a batch, without a server and without writing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from musetalk_fast.batching.batch_job import Job
from musetalk_fast.batching.outcome import failed
from musetalk_fast.errors import MuseTalkError
from musetalk_fast.events import Event, OnEvent
from musetalk_fast.planning import Plan, make_plan


@dataclass(frozen=True, slots=True)
class Planned:
    """What a job would do, or why it cannot."""

    job: Job
    plan: Plan | None = None
    error: MuseTalkError | None = None


def plan_all(jobs: Iterable[Job], on_event: Callable[[Job, Event], None]) -> Iterator[Planned]:
    """Plan every job.

    Args:
        on_event: called with what the planning of a job reports.
    """
    for job in jobs:
        try:
            yield Planned(job, _plan(job, partial(on_event, job)))
        except Exception as error:  # noqa: BLE001 - see `failed`
            yield Planned(job, error=failed(job, error).error)


def _plan(job: Job, on_event: OnEvent) -> Plan:
    """As if the folder for the videos were there: a dry run does not make it."""
    folder = job.output.parent
    settings = replace(job.settings, output=replace(job.settings.output, overwrite=True))
    if folder.exists():
        return make_plan(job.avatar, job.audio, job.output, settings, on_event=on_event)
    above = next(each for each in folder.absolute().parents if each.exists())
    output = above / job.output.name
    plan = make_plan(job.avatar, job.audio, output, settings, on_event=on_event)
    return replace(plan, output=job.output)
