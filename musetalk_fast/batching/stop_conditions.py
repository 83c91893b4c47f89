"""Conditions that end a batch before all of its jobs have ended."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from musetalk_fast.batching.batch_job import Job
from musetalk_fast.errors import (
    MuseTalkError,
    OutputError,
    OutputPlaceError,
    OutputWriteError,
    ServersLostError,
    ServerUnreachableError,
)
from musetalk_fast.storage import AtomicFile

_PROBE_BYTES = 1 << 20
"""A folder that does not take so much more takes no other video."""


class FailedFastError(Exception):
    """A job failed, and that ends the batch."""


def loses_servers(error: MuseTalkError) -> bool:
    """Whether a job that failed so may have found no server any more."""
    return isinstance(error, ServerUnreachableError | ServersLostError)


def servers_gone(error: MuseTalkError) -> ServersLostError:
    """None of the servers answers any more, as this job was the first to find."""
    return ServersLostError(
        f"no server answers any more: {error}",
        hint="start the servers, then the same command again: it continues",
    )


def check_folders(error: MuseTalkError, left: Iterable[Job]) -> None:
    """End the batch if a job failed because no folder for videos takes more.

    Otherwise the servers would make every other video, too, for a disk that is full.

    Args:
        left: jobs that are not over, those at work included: their folders may be others.

    Raises:
        errors.OutputWriteError: nothing can be written for any of them.
    """
    if not isinstance(error, OutputWriteError | OutputPlaceError):
        return
    folders = {job.output.parent for job in left}
    if folders and not any(map(_takes_more, folders)):
        raise OutputWriteError(
            f"no other video can be written: {error}",
            hint="make space, or allow it, then the same command again: it continues",
        )


def _takes_more(folder: Path) -> bool:
    try:
        with AtomicFile(folder / "probe") as probe:
            probe.write(bytes(_PROBE_BYTES))
    except OutputError:
        return False
    return True
