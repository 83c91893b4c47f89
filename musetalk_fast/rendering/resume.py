"""Continues an interrupted render where its parts end, or moves another's out of the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from musetalk_fast.errors import PlanError
from musetalk_fast.events import WarningEvent
from musetalk_fast.planning import OnEvent, Plan, Segment
from musetalk_fast.rendering.folder import PartsFolder, set_aside
from musetalk_fast.rendering.telling import segment_event
from musetalk_fast.video.parts import Part


def adopt(plan: Plan, folder: PartsFolder, on_event: OnEvent) -> Plan:
    """The plan that is followed: with the number of threads that earlier parts were made with.

    Parts of another plan are moved aside; a warning says where to.

    Raises:
        errors.OutputWriteError: the folder does not let us.
    """
    try:
        kept = folder.read_plan()
    except PlanError:
        kept = None
    if kept is not None and kept.identity == plan.identity:
        plan = replace(plan, encoder=replace(plan.encoder, threads=kept.encoder.threads))
        if plan != kept:
            folder.write_plan(plan)
        return plan
    if folder.holds_parts():
        aside = set_aside(folder, kept.identity[:8] if kept else "damaged")
        message = f"{folder.path} held parts of another render; they are now in {aside}"
        on_event(WarningEvent(message=message, token="MTF-PARTS-ASIDE"))
    else:
        folder.empty()  # faces of another avatar
    folder.write_plan(plan)
    return plan


def still_missing(
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
