"""Metadata of a finished video: engine, model, plan."""

from __future__ import annotations

from pathlib import Path

import av

from musetalk_fast._version import __version__
from musetalk_fast.types import EngineIdentity


def comment_of(engine: EngineIdentity, plan: str) -> str:
    """For the video's metadata, in the one field that every container with metadata has.

    Args:
        plan: the identity of its plan, in hexadecimal.
    """
    return f"{_made_by(engine)}{__version__}{_of_plan(plan)}"


def is_of(path: Path, engine: EngineIdentity, plan: str) -> bool:
    """Whether a file says that this engine made it of this plan, whichever version of ours."""
    return is_comment_of(read_comment(path), engine, plan)


def is_comment_of(comment: str, engine: EngineIdentity | None, plan: str) -> bool:
    """Whether `comment_of` made a comment, of this engine (None: of whichever) and plan."""
    made_by = "" if engine is None else _made_by(engine)
    return comment.startswith(made_by) and comment.endswith(_of_plan(plan))


def is_ours(path: Path) -> bool:
    """Whether a file says that a render of ours made it."""
    return is_our_comment(read_comment(path))


def is_our_comment(comment: str) -> bool:
    """Whether `comment_of` made a comment, of whatever engine and plan."""
    return "; musetalk-fast " in comment


def read_comment(path: Path) -> str:
    """The comment of a video's metadata; empty if it has none, or cannot be read."""
    try:
        with av.open(f"file:{path}", metadata_errors="replace") as container:
            found = {name.lower(): text for name, text in container.metadata.items()}
    except (OSError, ValueError, av.error.FFmpegError):
        return ""
    return found.get("comment", "")


def _made_by(engine: EngineIdentity) -> str:
    preview = " (a preview, not MuseTalk)" if engine.is_preview else ""
    return f"lip-sync: engine {engine.name}{preview}, model {engine.model}; musetalk-fast "


def _of_plan(plan: str) -> str:
    return f"; plan {plan}"
