"""One video: as a whole in one task, or planned, made by segments, and joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.farming.farm_job import PROGRAM, File, Words
from musetalk_fast.rendering.jobdir import SUFFIX


@dataclass(frozen=True, slots=True)
class ClipTasks:
    """A video of one avatar and one recording.

    Attributes:
        output: no link, but what it leads to.
        place: what appears there: the output, or the folder of a sequence.
        segments: of its plan; None: it is made as a whole.
        chunk: segments that are made by one process.
    """

    avatar: Path
    audio: Path
    output: Path
    place: Path
    segments: int | None = None
    chunk: int = 1

    @property
    def files(self) -> tuple[File, ...]:
        """Both inputs and the video; the job directory, where there are segments."""
        inputs = (
            File("Avatar", self.avatar, is_folder=self.avatar.is_dir()),
            File("Audio", self.audio),
        )
        output = File("Output", self.output, is_output=True)
        if self.segments is None:
            return (*inputs, output)
        parts = self.place.with_name(self.place.name + SUFFIX)
        return (*inputs, output, File("Parts", parts, is_output=True, is_folder=True))

    @property
    def tasks(self) -> range:
        """The segments, or one."""
        return range(self.segments or 1)

    def before(self, paths: Mapping[str, str]) -> Words | None:
        """Write the plan."""
        return None if self.segments is None else [PROGRAM, "plan", *_inputs(paths)]

    def task(self, paths: Mapping[str, str], numbers: str) -> Words:
        """Make some segments, or the video."""
        if self.segments is None:
            return [PROGRAM, "render", *_inputs(paths)]
        return [PROGRAM, "segment", paths["Parts"], "--segments", numbers]

    def after(self, paths: Mapping[str, str]) -> Words | None:
        """Join the segments."""
        return None if self.segments is None else [PROGRAM, "join", paths["Parts"]]


def _inputs(paths: Mapping[str, str]) -> list[str]:
    return ["-i", paths["Avatar"], "-a", paths["Audio"], "-o", paths["Output"]]
