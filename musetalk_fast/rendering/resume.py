"""Resumes an interrupted render where its parts end; archives and restores those of others."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

from musetalk_fast.errors import OutputPlaceError, OutputWriteError, PlanError
from musetalk_fast.events import OnEvent, WarningEvent
from musetalk_fast.planning import Plan, Segment
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
        errors.OutputWriteError: the directory does not permit it.
    """
    archived = next(path for path in _names(jobdir, kept) if not _is_taken(path))
    with write_errors(archived):
        archived.mkdir()
        _move(jobdir, JobDirectory(archived))
    return archived


def restore_parts(jobdir: JobDirectory, plan: Plan) -> None:
    """Move what was archived of this plan back into its directory, except what exists already.

    Raises:
        errors.OutputWriteError: the directory does not permit it.
    """
    for archived in _archives(jobdir):
        if _is_of(archived, plan):
            with write_errors(archived.path):
                _move(archived, jobdir)
            _remove_empty(archived)


def discard_archives(jobdir: JobDirectory, plan: Plan | None = None) -> None:
    """Remove what was archived beside a directory: of one plan, or all of it.

    What cannot be removed stays: a video that is finished is worth more.
    """
    with suppress(OutputWriteError):
        for archived in _archives(jobdir):
            if plan is None or _is_of(archived, plan):
                archived.empty()
                _remove_empty(archived)


def _archives(jobdir: JobDirectory) -> list[JobDirectory]:
    """The folders that `archive_parts` made: real ones of such names with a plan or parts."""
    name = re.compile(rf"{re.escape(jobdir.path.name)}\.([0-9a-f]{{8}}|{_DAMAGED})(\.\d+)?")
    with write_errors(jobdir.path.parent):
        with os.scandir(jobdir.path.parent) as entries:
            found = [each.name for each in entries if name.fullmatch(each.name)]
        folders = [JobDirectory(jobdir.path.with_name(each)) for each in sorted(found)]
        return [each for each in folders if _is_archive(each)]


def _is_archive(folder: JobDirectory) -> bool:
    if folder.path.is_symlink() or not folder.path.is_dir():
        return False
    try:
        return bool(folder.contents())
    except PermissionError:  # another user's
        return False


def _remove_empty(archived: JobDirectory) -> None:
    with suppress(OSError):  # what is not ours stays in it
        archived.path.rmdir()


def _is_taken(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except OSError:  # the name is too long, for one
        return False


def _is_of(archived: JobDirectory, plan: Plan) -> bool:
    try:
        kept = archived.read_plan()
    except (PlanError, OutputPlaceError, OutputWriteError):
        return False
    return kept is not None and kept.identity == plan.identity


def _names(jobdir: JobDirectory, plan: Plan | None) -> Iterator[Path]:
    name = f"{jobdir.path.name}.{plan.identity[:8] if plan else _DAMAGED}"
    yield jobdir.path.with_name(name)
    yield from (jobdir.path.with_name(f"{name}.{number}") for number in count(2))


def _move(origin: JobDirectory, target: JobDirectory) -> None:
    """The plan is copied first and removed last: interrupted, both belong to the same render."""
    content = origin.read(PLAN)
    if content is not None:
        target.write_first(PLAN, content)
    for entry in origin.contents():
        destination = target.path / entry.name
        if destination.exists():
            entry.unlink()
        else:
            entry.rename(destination)


def adopt(plan: Plan, jobdir: JobDirectory, on_event: OnEvent, *, fresh: bool = False) -> Plan:
    """The plan that is followed: with the number of threads that earlier parts were made with.

    Parts of another plan are archived; a warning says where. Archived parts of this plan are
    restored.

    Args:
        fresh: remove what is in the directory, and what was archived of this plan.

    Raises:
        errors.OutputWriteError: the directory does not permit it.
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
    message = (
        f"{jobdir.path} held parts of another render; they are now in {archived} until "
        f"{jobdir.output.name} is finished"
    )
    on_event(WarningEvent(message=message, token="MTF-PARTS-ARCHIVED"))


def settle(jobdir: JobDirectory, plan: Plan) -> None:
    """Have what is left of a plan removed: its video is in its place.

    A render was killed between the two. What is there of another plan stays.
    """
    kept = _kept(jobdir)
    if kept is not None and kept.identity == plan.identity:
        jobdir.done()
        discard_archives(jobdir)


def missing_segments(
    segments: Iterable[Segment], parts: Mapping[int, Part], on_event: OnEvent
) -> list[Segment]:
    """The segments without a part; the others are emitted as reused."""
    missing = []
    for segment in segments:
        if segment.number in parts:
            on_event(segment_event(segment, parts[segment.number], reused=True))
        else:
            missing.append(segment)
    return missing
