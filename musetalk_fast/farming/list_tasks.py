"""Many videos: each task makes one, or some, of what `batch` would make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.farming.farm_job import PROGRAM, File, Words


@dataclass(frozen=True, slots=True)
class ListTasks:
    """The jobs of folders and lists, shared out among `shards` machines.

    Attributes:
        inputs: what `batch` is given.
        outputs: the folder of the videos.
        shards: tasks; the jobs are dealt to them in turn.
        avatar: of all recordings.
        recursive: look into the folders of a folder, too.
    """

    inputs: tuple[Path, ...]
    outputs: Path
    shards: int
    avatar: Path | None = None
    recursive: bool = False

    @property
    def files(self) -> tuple[File, ...]:
        """All inputs and the folder of the videos."""
        named = [
            File(f"Input{number}", path, is_folder=path.is_dir())
            for number, path in enumerate(self.inputs, 1)
        ]
        avatars = [] if self.avatar is None else [File("Avatar", self.avatar)]
        return (*named, *avatars, File("Output", self.outputs, is_output=True, is_folder=True))

    @property
    def tasks(self) -> range:
        """The shards, from 1 on."""
        return range(1, self.shards + 1)

    @property
    def chunk(self) -> int:
        """A shard is one process."""
        return 1

    def before(self, paths: Mapping[str, str]) -> Words | None:  # noqa: ARG002 - the form of all
        """There is nothing to do."""
        return None

    def task(self, paths: Mapping[str, str], numbers: str) -> Words:
        """Make the videos of a shard."""
        inputs = [path for name, path in paths.items() if name.startswith("Input")]
        avatar = [] if self.avatar is None else ["-i", paths["Avatar"]]
        deep = ["--recursive"] if self.recursive else []
        shard = ["--shard", f"{numbers}/{self.shards}"]
        return [PROGRAM, "batch", *inputs, *avatar, *deep, "-o", paths["Output"], *shard]

    def after(self, paths: Mapping[str, str]) -> Words | None:  # noqa: ARG002 - the form of all
        """There is nothing to do."""
        return None
