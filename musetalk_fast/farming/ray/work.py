"""What a task of the cluster is given, and the paths in it that must mean the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from musetalk_fast._version import __version__
from musetalk_fast.batching.batch_job import Job
from musetalk_fast.batching.report import JobRecord
from musetalk_fast.config import Settings
from musetalk_fast.farming.portable_settings import absolute_files
from musetalk_fast.planning import Plan
from musetalk_fast.rendering.previous_join import joined_before
from musetalk_fast.types import EngineIdentity


@dataclass(frozen=True, slots=True)
class Work:
    """A job on its way to another machine.

    Attributes:
        record: what an earlier batch knows of its video.
        processors: that its task may use.
        events: the actor that takes what the task says.
        servers: actors that run servers, the preferred one first; none: the settings name servers.
        key: of those servers.
        version: of the machine that sends it.
    """

    job: Job
    record: JobRecord | None
    processors: int
    events: Any
    servers: tuple[Any, ...] = ()
    key: str | None = field(default=None, repr=False)
    version: str = __version__

    def settings_at(self, address: str) -> Settings:
        """The job's settings with one of our own servers."""
        server = replace(
            self.job.settings.server, url=(address,), api_key=self.key, api_key_file=None
        )
        return replace(self.job.settings, server=server)


@dataclass(frozen=True, slots=True)
class Planned:
    """A video whose segments are to be made.

    Attributes:
        parts: its job directory.
        engines: of the servers that make them.
    """

    plan: Plan
    parts: Path
    engines: tuple[EngineIdentity, ...]

    def is_joined(self) -> bool:
        """Whether its video is in its place already, by one of these engines."""
        return any(joined_before(self.plan, engine) is not None for engine in self.engines)


def portable(job: Job) -> Job:
    """A job whose paths do not depend on the folder that a command was typed in."""
    return replace(
        job,
        avatar=job.avatar.absolute(),
        audio=job.audio.absolute(),
        output=job.output.absolute(),
        settings=absolute_files(job.settings),
    )
