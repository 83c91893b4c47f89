"""Speculative streams: whether an idle server should join a segment that lags elsewhere."""

from __future__ import annotations

from musetalk_fast.client.pool import Member
from musetalk_fast.rendering.segment import ActiveSegment

_LAG_FACTOR = 2.0
"""A stream lags if its remaining frames would take this many times as long as elsewhere."""
_STALLED_SECS = 5.0
"""A stream without a frame for so long lags, however slow the idle server is."""


def lags(active: ActiveSegment, member: Member) -> bool:
    """Whether `member` should stream the remaining frames of this segment too."""
    if stalls(active, member):
        return True
    # Two are enough, as long as one of them sends.
    return (
        _is_open_to(active, member)
        and len(active.streams) == 1
        and member.throughput is not None
        and _LAG_FACTOR * active.streams[0].throughput < member.throughput
    )


def stalls(active: ActiveSegment, member: Member) -> bool:
    """Whether none of its streams sends, and `member` could."""
    silent = all(stats.silent_secs > _STALLED_SECS for stats in active.streams)
    return silent and _is_open_to(active, member)


def _is_open_to(active: ActiveSegment, member: Member) -> bool:
    streams = active.streams
    return not active.queue.backlogged and all(stats.member is not member for stats in streams)
