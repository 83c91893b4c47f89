"""What ends a batch before all of its jobs are over."""

from __future__ import annotations

from musetalk_fast.errors import MuseTalkError, ServersLostError, ServerUnreachableError


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
