"""One job of a batch, and the inputs that became no job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.config import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """One video of a batch.

    Attributes:
        name: how messages call it; no two jobs of a batch have the same.
        settings: how it is made.
        fresh: whether it is made again whatever is there.
    """

    name: str
    avatar: Path
    audio: Path
    output: Path
    settings: Settings
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Jobs:
    """What a batch is asked for.

    Attributes:
        jobs: in the order of the inputs; those of a folder are sorted by name.
        left_over: files that belong to no job, each with the reason.
    """

    jobs: tuple[Job, ...]
    left_over: tuple[str, ...] = ()
