"""Continues an interrupted render where its parts end, or moves another's out of the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from musetalk_fast.errors import PlanError
from musetalk_fast.events import WarningEvent
from musetalk_fast.planning import OnEvent, Plan, Segment
from musetalk_fast.rendering.aside import forget, set_aside, take_back
from musetalk_fast.rendering.folder import PartsFolder
from musetalk_fast.rendering.telling import segment_event
from musetalk_fast.video.parts import Part


def adopt(plan: Plan, folder: PartsFolder, on_event: OnEvent, *, fresh: bool = False) -> Plan:
    """The plan that is followed: with the number of threads that earlier parts were made with.

    Parts of another plan are moved aside; a warning says where to. Those of this plan that were
    moved aside for another come back.

    Args:
        fresh: remove what is in the folder, and what was moved aside of this plan.

    Raises:
        errors.OutputWriteError: the folder does not let us.
    """
    if fresh:
        folder.empty()
        forget(folder, plan)
    kept = _kept(folder)
    if kept is None or kept.identity != plan.identity:
        _make_room(folder, kept, on_event)
    take_back(folder, plan)
    kept = _kept(folder)
    if kept is not None:
        plan = replace(plan, encoder=replace(plan.encoder, threads=kept.encoder.threads))
    if plan != kept:
        folder.write_plan(plan)
    return plan


def _kept(folder: PartsFolder) -> Plan | None:
    try:
        return folder.read_plan()
    except PlanError:
        return None


def _make_room(folder: PartsFolder, kept: Plan | None, on_event: OnEvent) -> None:
    if not folder.holds_parts():
        folder.empty()  # faces of another avatar
        return
    aside = set_aside(folder, kept)
    message = f"{folder.path} held parts of another render; they are now in {aside}"
    on_event(WarningEvent(message=message, token="MTF-PARTS-ASIDE"))


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
