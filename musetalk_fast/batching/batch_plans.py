"""The plans of all jobs of a batch, without a server and without writing anything."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from musetalk_fast.batching.batch_job import Job
from musetalk_fast.batching.outcome import failed
from musetalk_fast.errors import MuseTalkError
from musetalk_fast.events import Event, OnEvent
from musetalk_fast.planning import Plan, make_plan
from musetalk_fast.video.containers import place_of


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
    settings = replace(job.settings, output=replace(job.settings.output, overwrite=True))
    output = _possible(job.output, place_of(job.output, settings.output.format))
    plan = make_plan(job.avatar, job.audio, output, settings, on_event=on_event)
    return replace(plan, output=job.output) if output != job.output else plan


def _possible(output: Path, place: Path) -> Path:
    """The output, or one like it in the folder in which the batch will make folders for it."""
    if place.parent.exists():
        return output
    above = next(each for each in place.absolute().parents if each.exists())
    unused = secrets.token_hex()  # what is there already has nothing to do with the output
    return above / (unused + output.suffix) if place == output else above / unused / output.name
