"""A stream whose crops could not be made ends where they are missing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from pattern_engine import PatternAvatar, PatternEngine

from musetalk_fast.engines.base import CropRequest
from musetalk_fast.server.batcher import Batcher, CropStream

STILL, SILENCE = PatternAvatar(64, 64, ()), np.zeros(1, np.int16)


class _Faltering(PatternEngine):
    """Waits before its first batch; has no memory twice for frame 4 of source 1, then again."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.open = threading.Event()
        self.asked: list[int] = []
        self._failures = 2

    def infer(self, batch: Sequence[CropRequest]) -> Any:
        self.entered.set()
        assert self.open.wait(30)
        self.asked += [request.frame for request in batch if request.source == 1]
        if self._failures and any(each.source == 1 and each.frame == 4 for each in batch):
            self._failures -= 1
            raise MemoryError("for now")
        return super().infer(batch)


def _requests(source: int) -> Iterator[CropRequest]:
    return (CropRequest(STILL, source, SILENCE, frame, (25, 1)) for frame in range(20))


async def _frames(stream: CropStream) -> list[int]:
    return [int(crop[0, 0, 0]) for crop in await stream.take()]


async def test_nothing_is_delivered_behind_crops_that_failed() -> None:
    """Alone, too, they fail, and the next batch would succeed: it must not stand in their place."""
    engine = _Faltering()
    batcher = Batcher(engine, asyncio.get_running_loop(), lambda *_batch: None)
    taken: list[int] = []
    raised: Exception | None = None
    try:
        with ExitStack() as stack:
            first = stack.enter_context(batcher.open(_requests(0), 1, "first"))
            assert await asyncio.to_thread(engine.entered.wait, 30)
            slow = stack.enter_context(batcher.open(_requests(1), 20, "slow"))
            other = stack.enter_context(batcher.open(_requests(2), 20, "other"))
            engine.open.set()
            assert await _frames(first) == [0]
            others: list[int] = []
            while len(others) < 20:
                others += await _frames(other)
            assert others == list(range(20))
            while raised is None and len(taken) < 20:
                try:
                    taken += await _frames(slow)
                except MemoryError as error:
                    raised = error
    finally:
        await asyncio.to_thread(batcher.close)
    assert taken == [0, 1, 2, 3]
    assert str(raised) == "for now"
    assert max(engine.asked) == 5  # nothing is made for nobody
