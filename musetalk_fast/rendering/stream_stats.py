"""One stream of a segment's crops while it runs: who sends it, and how fast."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from musetalk_fast.client.pool import Member


class StreamStats:
    """A stream's measure; time in which we did not read does not count against its server.

    Attributes:
        member: the server.
        frames: that it has sent.
        accepted: of them, those that no other stream had sent before.
    """

    def __init__(self, member: Member) -> None:
        self.member = member
        self.frames = self.accepted = 0
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._received_at = 0.0
        self._blocked_secs = 0.0
        self._blocked_since: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, receiving: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run the stream."""
        self._task = asyncio.ensure_future(receiving)
        return self._task

    def stop(self) -> None:
        """Cancel the stream: its frames are not needed."""
        if self._task is not None:
            self._task.cancel()

    def record_frames(self, frames: int) -> None:
        """So many frames have come."""
        self.frames += frames
        self._received_at = self.secs

    @property
    def secs(self) -> float:
        """Seconds in which its server could send."""
        now = self._loop.time()
        blocked = self._blocked_secs + (
            0.0 if self._blocked_since is None else now - self._blocked_since
        )
        return max(1e-6, now - self._began - blocked)

    @property
    def silent_secs(self) -> float:
        """Of these, since it sent a frame."""
        return self.secs - self._received_at

    @property
    def throughput(self) -> float:
        """Frames a second; as if one came right now, so that a new stream is not judged."""
        return (self.frames + 1) / self.secs

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """We wait for our encoder, not for the server."""
        self._blocked_since = self._loop.time()
        try:
            yield
        finally:
            self._blocked_secs += self._loop.time() - self._blocked_since
            self._blocked_since = None
