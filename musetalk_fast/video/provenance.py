"""Metadata of a finished video: engine, model, length, plan."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av

from musetalk_fast._version import __version__
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.animation_comment import read_animation_comment

_LENGTH = re.compile(r"; ([0-9]{1,9}) frames at ([1-9][0-9]{0,9}(?:/[1-9][0-9]{0,9})?) fps; plan ")


class Length(NamedTuple):
    """How long a video is.

    Attributes:
        fps: frames a second, exact.
    """

    frames: int
    fps: Fraction


def comment_of(engine: EngineIdentity, plan: str, length: Length) -> str:
    """For the video's metadata, in the one field that every container with metadata has.

    Args:
        plan: the identity of its plan, in hexadecimal.
    """
    frames, fps = length
    return f"{_made_by(engine)}{__version__}; {frames} frames at {fps} fps{_of_plan(plan)}"


def is_of(path: Path, engine: EngineIdentity, plan: str) -> bool:
    """Whether a file says that this engine made it of this plan, whichever version of ours."""
    return is_comment_of(read_comment(path), engine, plan)


def is_comment_of(comment: str, engine: EngineIdentity | None, plan: str) -> bool:
    """Whether `comment_of` made a comment, of this engine (None: of whichever) and plan."""
    made_by = "" if engine is None else _made_by(engine)
    return comment.startswith(made_by) and comment.endswith(_of_plan(plan))


def is_ours(path: Path) -> bool:
    """Whether a file says that a render of ours made it."""
    return _is_ours(read_comment(path))


def length_of(comment: str) -> Length | None:
    """The length of a video, if `comment_of` made its comment, of whatever engine and plan."""
    found = _LENGTH.search(comment)
    return Length(int(found[1]), Fraction(found[2])) if found and _is_ours(comment) else None


def read_comment(path: Path) -> str:
    """The comment of a video's metadata; empty if it has none, or cannot be read."""
    if not path.is_file():  # a pipe would be waited for
        return ""
    if comment := read_animation_comment(path):
        return comment
    try:
        with av.open(f"file:{path}", metadata_errors="replace") as container:
            found = {name.lower(): text for name, text in container.metadata.items()}
    except (OSError, ValueError, av.error.FFmpegError):
        return ""
    return found.get("comment", "")


def _is_ours(comment: str) -> bool:
    return "; musetalk-fast " in comment


def _made_by(engine: EngineIdentity) -> str:
    preview = " (a preview, not MuseTalk)" if engine.is_preview else ""
    return f"lip-sync: engine {engine.name}{preview}, model {engine.model}; musetalk-fast "


def _of_plan(plan: str) -> str:
    return f"; plan {plan}"
