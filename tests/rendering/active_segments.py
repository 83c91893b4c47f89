"""Active segments of small frames and their encoding thread, for tests of who gets what."""

from __future__ import annotations

import threading
from pathlib import Path

from musetalk_fast.client.pool import Member
from musetalk_fast.client.server_link import ServerLink
from musetalk_fast.rendering.frame_queue import QueueClosedError
from musetalk_fast.rendering.segment import ActiveSegment
from musetalk_fast.types import CropEncoding
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.messages import Frame


async def _nowhere() -> object:
    raise AssertionError("no test connects")


def member(name: str = "a", tries: int = 3) -> Member:
    """A server that is never asked."""
    return Member(name, ServerLink(_nowhere), tries)  # type: ignore[arg-type]


def frames(*indices: int) -> list[Frame]:
    """Frames that are nothing but their index."""
    return [Frame(index=index, source=0, encoding=CropEncoding.RAW, data=b"") for index in indices]


class Encoder:
    """Takes a segment's frames and keeps their indices.

    Args:
        failures: what to raise at which frame.
    """

    def __init__(self, failures: dict[int, Exception] | None = None) -> None:
        self.accepted: list[int] = []
        self.go = threading.Event()
        self.go.set()
        self._failures = failures or {}

    def __call__(self, active: ActiveSegment) -> Part:
        try:
            return self._take(active)
        finally:
            active.queue.close()

    def _take(self, active: ActiveSegment) -> Part:
        for frame in active.queue:
            self.go.wait(60)
            if frame.index in self._failures:
                raise self._failures.pop(frame.index)
            self.accepted.append(frame.index)
            active.encoded += 1
        if active.queue.closed:
            raise QueueClosedError
        return Part(Path("part"), active.encoded, 0, b"", 0, "")
