"""What a farm shall do: files by name, and the commands of its steps with places for numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PROGRAM = "musetalk-fast"

Words = Sequence[str]
"""A command, word by word."""


@dataclass(frozen=True, slots=True)
class FarmOptions:
    """How the farm shall run it.

    Attributes:
        name: of the job.
        engine: of the server that each machine starts for itself; None: the settings name servers.
        gpus: that a machine must have.
        at_once: tasks at a time at most; None: as the farm likes.
    """

    name: str
    engine: str | None = None
    gpus: int = 0
    at_once: int | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file or folder of the job.

    Attributes:
        name: one word.
        path: absolute.
        is_output: the job makes it.
        is_folder: it is a folder.
    """

    name: str
    path: Path
    is_output: bool = False
    is_folder: bool = False


class FarmJob(Protocol):
    """A job in steps: one before the tasks, the tasks, one after them."""

    @property
    def files(self) -> Sequence[File]:
        """What the commands name."""

    @property
    def tasks(self) -> range:
        """Numbers of all tasks: each makes one thing (a segment, a clip)."""

    @property
    def chunk(self) -> int:
        """Tasks that are done by one process."""

    def before(self, paths: Mapping[str, str]) -> Words | None:
        """The command before all tasks, with the files where `paths` has them."""

    def task(self, paths: Mapping[str, str], numbers: str) -> Words:
        """The command of some tasks; `numbers` is a number or FIRST-LAST."""

    def after(self, paths: Mapping[str, str]) -> Words | None:
        """The command after all tasks."""


def absolute_paths(job: FarmJob) -> dict[str, str]:
    """The files where they are on this machine."""
    return {file.name: str(file.path) for file in job.files}


def chunks(job: FarmJob) -> list[str]:
    """The numbers of each process: `0-3`, `4-7`, `8`."""
    starts = job.tasks[:: job.chunk]
    last = job.tasks[-1]
    return [_numbers(first, min(first + job.chunk - 1, last)) for first in starts]


def _numbers(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
