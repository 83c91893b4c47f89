"""Continues an interrupted render where its parts end; archives another's, and restores them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count, takewhile
from pathlib import Path

from musetalk_fast.errors import OutputWriteError, PlanError
from musetalk_fast.events import WarningEvent
from musetalk_fast.planning import OnEvent, Plan, Segment
from musetalk_fast.rendering.jobdir import PLAN, JobDirectory
from musetalk_fast.rendering.progress import segment_event
from musetalk_fast.storage import write_errors
from musetalk_fast.video.parts import Part

_DAMAGED = "damaged"


def archive_parts(jobdir: JobDirectory, kept: Plan | None) -> Path:
    """Move the plan, faces and parts of another render out of the way; where they are now.

    Args:
        kept: their plan; None if it is damaged.

    Raises:
        errors.OutputWriteError: the folder does not let us.
    """
    archived = next(path for path in _names(jobdir, kept) if not _is_there(path))
    with write_errors(archived):
        archived.mkdir()
        _move(jobdir, JobDirectory(archived))
    return archived


def restore_parts(jobdir: JobDirectory, plan: Plan) -> None:
    """Move what was set aside of this plan into its folder, but for what is there already.

    Raises:
        errors.OutputWriteError: the folder does not let us.
    """
    for archived in _archives(jobdir, plan):
        with write_errors(archived.path):
            _move(archived, jobdir)
            archived.path.rmdir()


def discard_archives(jobdir: JobDirectory, plan: Plan) -> None:
    """Remove what was set aside of this plan."""
    for archived in _archives(jobdir, plan):
        shutil.rmtree(archived.path, ignore_errors=True)


def _archives(jobdir: JobDirectory, plan: Plan) -> list[JobDirectory]:
    there = map(JobDirectory, takewhile(_is_there, _names(jobdir, plan)))
    return [archived for archived in there if _is_of(archived, plan)]


def _is_there(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # the name is too long, for one
        return False


def _is_of(archived: JobDirectory, plan: Plan) -> bool:
    try:
        kept = archived.read_plan()
    except (PlanError, OutputWriteError):
        return False
    return kept is not None and kept.identity == plan.identity


def _names(jobdir: JobDirectory, plan: Plan | None) -> Iterator[Path]:
    name = f"{jobdir.path.name}.{plan.identity[:8] if plan else _DAMAGED}"
    yield jobdir.path.with_name(name)
    yield from (jobdir.path.with_name(f"{name}.{number}") for number in count(2))


def _move(source: JobDirectory, target: JobDirectory) -> None:
    """The plan is copied first and leaves last: cut short, both are folders of the same render."""
    content = source.read(PLAN)
    if content is not None:
        target.write_first(PLAN, content)
    for entry in source.contents():
        place = target.path / entry.name
        if place.exists():
            entry.unlink()
        else:
            entry.rename(place)


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
