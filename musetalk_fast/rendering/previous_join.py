"""Finds a video that an earlier join finished before it was killed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from musetalk_fast.events import WarningEvent
from musetalk_fast.planning import Plan
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.mux import Joined
from musetalk_fast.video.provenance import (
    is_comment_of,
    is_our_comment,
    is_ours,
    read_comment,
)
from musetalk_fast.video.sequence_folder import read_marker, sequence_comment, sequence_files


def joined_before(plan: Plan, engine: EngineIdentity | None) -> Joined | None:
    """The video of a plan, if it is in its place and says so.

    Args:
        engine: that made its parts; None: that is not known any more.
    """
    files = [plan.output] if plan.frame_names is None else sequence_files(plan.output)
    read = read_comment if plan.frame_names is None else sequence_comment
    try:
        if not is_comment_of(read(plan.output), engine, plan.identity):
            return None
        size = sum(each.stat().st_size for each in files)
    except OSError:
        return None
    return Joined(bytes=size, frames=plan.frames, duration=plan.frames / plan.fps, mouth=None)


def joined_without_plan(place: Path) -> tuple[Path, Joined] | None:
    """The video at a place whose plan is gone, if it says that it is one of ours.

    Args:
        place: the file, or the folder of a sequence.

    Returns:
        Its path, which of a sequence is the pattern of its names.
    """
    return _sequence(place) if place.is_dir() else _file(place)


def _sequence(place: Path) -> tuple[Path, Joined] | None:
    marker = read_marker(place)
    if marker is None or marker.fps is None or not is_our_comment(marker.made):
        return None
    output = place / marker.names.pattern
    files = sequence_files(output)
    try:
        size = sum(each.stat().st_size for each in files)
    except OSError:
        return None
    duration = marker.frames / marker.fps
    joined = Joined(bytes=size, frames=marker.frames, duration=duration, mouth=None)
    return (output, joined) if files else None


def _file(output: Path) -> tuple[Path, Joined] | None:
    if not (output.is_file() and is_ours(output)):
        return None
    try:
        size = output.stat().st_size
        with av.open(f"file:{output}") as container:
            frames, duration = _length(container)
    except (OSError, ValueError, IndexError, av.error.FFmpegError):
        return None
    return output, Joined(bytes=size, frames=frames, duration=duration, mouth=None)


def _length(container: av.container.InputContainer) -> tuple[int, Fraction]:
    """Frames, and seconds by the rate: a recording may go on behind the pictures."""
    stream = container.streams.video[0]
    rate = Fraction(stream.average_rate or 1)
    # Matroska does not count, and has no length of a stream.
    frames = stream.frames or round(Fraction(container.duration or 0, av.time_base) * rate)
    return frames, frames / rate


def before_event(output: Path, plan: str) -> WarningEvent:
    """Says that there was nothing to join.

    Args:
        plan: what is known of it.
    """
    return WarningEvent(message=f"{output} was joined before: {plan}", token="MTF-JOINED")
