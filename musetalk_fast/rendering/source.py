"""One stream of a segment's crops while it runs: who sends it, and how fast."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from musetalk_fast.client.pool import Member


class Source:
    """A stream's measure; time in which we did not read does not count against its server.

    Attributes:
        member: the server.
        frames: that it has sent.
        taken: of them, those that no other stream had sent before.
    """

    def __init__(self, member: Member) -> None:
        self.member = member
        self.frames = self.taken = 0
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._came_at = 0.0
        self._held = 0.0
        self._held_since: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, receiving: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run the stream."""
        self._task = asyncio.ensure_future(receiving)
        return self._task

    def stop(self) -> None:
        """Cancel the stream: its frames are not needed."""
        if self._task is not None:
            self._task.cancel()

    def came(self, frames: int) -> None:
        """So many frames have come."""
        self.frames += frames
        self._came_at = self.secs

    @property
    def secs(self) -> float:
        """Seconds in which its server could send."""
        now = self._loop.time()
        held = self._held + (0.0 if self._held_since is None else now - self._held_since)
        return max(1e-6, now - self._began - held)

    @property
    def silent_secs(self) -> float:
        """Of these, since it sent a frame."""
        return self.secs - self._came_at

    @property
    def pace(self) -> float:
        """Frames a second; as if one came right now, so that a new stream is not judged."""
        return (self.frames + 1) / self.secs

    @contextmanager
    def held(self) -> Iterator[None]:
        """We wait for our encoder, not for the server."""
        self._held_since = self._loop.time()
        try:
            yield
        finally:
            self._held += self._loop.time() - self._held_since
            self._held_since = None
