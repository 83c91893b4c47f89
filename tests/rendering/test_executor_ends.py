"""An executor ends: with all parts, or with the failure of its last worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from active_segments import Encoder, frames, member

from musetalk_fast import errors, tasks
from musetalk_fast.client.pool import Pool
from musetalk_fast.events import Event, WarningEvent
from musetalk_fast.planning import Segment
from musetalk_fast.rendering import executor as executor_module
from musetalk_fast.rendering.executor import SegmentExecutor
from musetalk_fast.rendering.scheduler import Scheduler
from musetalk_fast.rendering.segment import StreamStats

FLAW = RuntimeError("a flaw of ours")
SEGMENT = Segment(0, 0, 4)


def _executor(
    monkeypatch: pytest.MonkeyPatch,
    worker: Callable[[Scheduler], Any],
    encoder: Encoder,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> SegmentExecutor:
    """Of one server, whose worker is this coroutine function."""

    def make_worker(*given: Any) -> Any:
        (scheduler,) = (each for each in given if isinstance(each, Scheduler))
        return SimpleNamespace(run=lambda: worker(scheduler))

    monkeypatch.setattr(executor_module, "Worker", make_worker)
    monkeypatch.setattr(executor_module, "SegmentEncoder", lambda _job: encoder)
    job: Any = SimpleNamespace(state=SimpleNamespace(manifest=None))
    return SegmentExecutor(job, Pool([member()]), 1, 3, on_event)


async def _give_all(scheduler: Scheduler) -> None:
    server = member()
    active = await scheduler.next_segment(server)
    assert active is not None
    await active.offer(frames(*range(active.next_index, active.segment.stop)), StreamStats(server))


async def test_a_worker_that_failed_when_all_frames_had_come_is_missed_when_some_are_corrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else no server makes them again, and no error is raised."""
    monkeypatch.setattr(executor_module, "_POLL_INTERVAL_SECS", 0.1)
    encoder = Encoder({2: errors.FrameShapeError("no crop")})
    encoder.go.clear()

    async def worker(scheduler: Scheduler) -> None:
        await _give_all(scheduler)
        asyncio.get_running_loop().call_later(0.3, encoder.go.set)
        raise FLAW

    reported: list[Event] = []
    executor = _executor(monkeypatch, worker, encoder, reported.append)
    with pytest.raises(RuntimeError, match="flaw"):
        await asyncio.wait_for(executor.make([SEGMENT]), 60)
    assert any(isinstance(event, WarningEvent) for event in reported)


async def test_a_worker_that_failed_when_all_frames_had_come_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def worker(scheduler: Scheduler) -> None:
        await _give_all(scheduler)
        raise FLAW

    parts = await asyncio.wait_for(_executor(monkeypatch, worker, Encoder()).make([SEGMENT]), 60)
    assert list(parts) == [0]


async def test_a_worker_that_loses_its_cancellation_does_not_keep_the_render(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_AGAIN_SECS", 0.05)

    async def worker(scheduler: Scheduler) -> None:
        await _give_all(scheduler)
        try:
            await scheduler.next_segment(member())
        except asyncio.CancelledError:
            await scheduler.next_segment(member())

    parts = await asyncio.wait_for(_executor(monkeypatch, worker, Encoder()).make([SEGMENT]), 60)
    assert list(parts) == [0]
