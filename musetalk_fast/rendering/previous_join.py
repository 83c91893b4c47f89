"""Finds a video that an earlier join finished before it was killed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from musetalk_fast.events import WarningEvent
from musetalk_fast.planning import Plan
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.mux import Joined
from musetalk_fast.video.provenance import Length, is_comment_of, length_of, read_comment
from musetalk_fast.video.sequence_folder import read_marker, sequence_comment, sequence_files


def joined_before(plan: Plan, engine: EngineIdentity | None) -> Joined | None:
    """The video of a plan, if it is in its place and says so.

    Args:
        engine: that made its parts; None: that is not known any more.
    """
    files, comment = _found(plan.output, is_sequence=plan.frame_names is not None)
    if not is_comment_of(comment, engine, plan.identity):
        return None
    return _joined(files, Length(plan.frames, plan.fps))


def joined_without_plan(place: Path) -> tuple[Path, Joined] | None:
    """The video at a place whose plan is gone, if it says that it is one of ours.

    Args:
        place: the file, or the folder of a sequence.

    Returns:
        Its path, which of a sequence is the pattern of its names.
    """
    is_sequence = place.is_dir()
    marker = read_marker(place) if is_sequence else None
    output = place if marker is None else place / marker.names.pattern
    files, comment = _found(output, is_sequence=is_sequence)
    length = length_of(comment)
    joined = _joined(files, length) if length is not None else None
    return None if joined is None else (output, joined)


def _found(output: Path, *, is_sequence: bool) -> tuple[Sequence[Path], str]:
    """The files of a video, and its comment; empty if it is none of ours."""
    if is_sequence:
        return sequence_files(output), sequence_comment(output)
    return [output], read_comment(output)


def _joined(files: Sequence[Path], length: Length) -> Joined | None:
    """The result of a join that made these files; None if one of them is gone."""
    try:
        size = sum(each.stat().st_size for each in files)
    except OSError:
        return None
    frames, fps = length
    return Joined(bytes=size, frames=frames, duration=frames / fps, mouth=None)


def before_event(output: Path, plan: str) -> WarningEvent:
    """Says that there was nothing to join.

    Args:
        plan: what is known of it.
    """
    return WarningEvent(message=f"{output} was joined before: {plan}", token="MTF-JOINED")
