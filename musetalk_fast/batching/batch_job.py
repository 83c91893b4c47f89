"""One job of a batch, and the inputs that became no job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.config import Settings
from musetalk_fast.errors import OutputFormatError
from musetalk_fast.video.containers import place_of


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

    @property
    def place(self) -> Path:
        """What it replaces: the output, or the folder of a sequence."""
        try:
            return place_of(self.output, self.settings.output.format)
        except OutputFormatError:  # which its plan will raise
            return self.output


@dataclass(frozen=True, slots=True)
class Jobs:
    """What a batch is asked for.

    Attributes:
        jobs: in the order of the inputs; those of a folder are sorted by name.
        left_over: files that belong to no job, each with the reason.
    """

    jobs: tuple[Job, ...]
    left_over: tuple[str, ...] = ()
