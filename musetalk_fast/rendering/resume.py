"""Continues an interrupted render where its parts end, or moves another's out of the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from musetalk_fast.errors import PlanError
from musetalk_fast.events import WarningEvent
from musetalk_fast.planning import OnEvent, Plan, Segment
from musetalk_fast.rendering.archive import archive_parts, discard_archives, restore_parts
from musetalk_fast.rendering.event_factories import segment_event
from musetalk_fast.rendering.jobdir import JobDirectory
from musetalk_fast.video.parts import Part


def adopt(plan: Plan, jobdir: JobDirectory, on_event: OnEvent, *, fresh: bool = False) -> Plan:
    """The plan that is followed: with the number of threads that earlier parts were made with.

    Parts of another plan are moved aside; a warning says where to. Those of this plan that were
    moved aside for another come back.

    Args:
        fresh: remove what is in the folder, and what was moved aside of this plan.

    Raises:
        errors.OutputWriteError: the folder does not let us.
    """
    if fresh:
        jobdir.empty()
        discard_archives(jobdir, plan)
    kept = _kept(jobdir)
    if kept is None or kept.identity != plan.identity:
        _clear_directory(jobdir, kept, on_event)
    restore_parts(jobdir, plan)
    kept = _kept(jobdir)
    if kept is not None:
        plan = replace(plan, encoder=replace(plan.encoder, threads=kept.encoder.threads))
    if plan != kept:
        jobdir.write_plan(plan)
    return plan


def _kept(jobdir: JobDirectory) -> Plan | None:
    try:
        return jobdir.read_plan()
    except PlanError:
        return None


def _clear_directory(jobdir: JobDirectory, kept: Plan | None, on_event: OnEvent) -> None:
    if not jobdir.holds_parts():
        jobdir.empty()  # faces of another avatar
        return
    archived = archive_parts(jobdir, kept)
    message = f"{jobdir.path} held parts of another render; they are now in {archived}"
    on_event(WarningEvent(message=message, token="MTF-PARTS-ASIDE"))


def missing_segments(
    segments: Iterable[Segment], parts: Mapping[int, Part], on_event: OnEvent
) -> list[Segment]:
    """The segments without a part; the others are told of."""
    missing = []
    for segment in segments:
        if segment.number in parts:
            on_event(segment_event(segment, parts[segment.number], reused=True))
        else:
            missing.append(segment)
    return missing
