"""Load balancing: of the servers that wait, the one with the fewest streams begins a segment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from musetalk_fast.client.pool import Member


class LoadBalancer:
    """The servers of a render that wait for a segment.

    Without it, renders at work at the same time would all take the first server.

    Args:
        streams: of a server, those of other renders included, with which it begins no other.
    """

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._waiting: list[Member] = []

    @contextmanager
    def waiting(self, member: Member) -> Iterator[None]:
        """While the context is open, this server waits."""
        self._waiting.append(member)
        try:
            yield
        finally:
            self._waiting.remove(member)

    def may_begin(self, member: Member) -> bool:
        """Whether another segment is this server's."""
        streams = member.link.streams
        return streams < self._streams and not any(
            each.link.streams < streams for each in self._waiting if each.may_stream
        )
