"""The reporter emits the counts, and does not outlive or hide what happens beside it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from musetalk_fast.events import Event, ProgressEvent
from musetalk_fast.rendering.progress import JoinProgress, ProgressReporter


@pytest.mark.parametrize("moment", range(5))
async def test_a_cancellation_at_its_end_is_not_lost(moment: int) -> None:
    """Else a render that was stopped goes on to its end."""
    go = asyncio.Event()
    counts = SimpleNamespace(received=0, encoded=0)

    async def job() -> None:
        async with ProgressReporter(10, counts, lambda _event: None).running():
            await go.wait()

    working = asyncio.ensure_future(job())
    await asyncio.sleep(0.01)
    go.set()
    for _ in range(moment):
        await asyncio.sleep(0)
    cancelled = working.cancel()
    (outcome,) = await asyncio.gather(working, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError) if cancelled else outcome is None


async def test_the_last_count_is_reported() -> None:
    reported: list[Event] = []
    counts = SimpleNamespace(received=0, encoded=0)
    async with ProgressReporter(10, counts, reported.append).running():
        counts.received, counts.encoded = 10, 9
    assert [
        (event.stage, event.done) for event in reported if isinstance(event, ProgressEvent)
    ] == [
        ("generate", 10),
        ("encode", 9),
    ]


async def test_a_listener_that_fails_is_not_hidden() -> None:
    def listen(_event: Event) -> None:
        raise OSError("printer is gone")

    async def job() -> None:
        async with ProgressReporter(10, SimpleNamespace(received=1, encoded=1), listen).running():
            await asyncio.sleep(0.3)

    with pytest.raises(OSError, match="printer"):
        await job()


def test_joining_is_reported_about_a_hundred_times_and_its_end_by_nobody_else() -> None:
    reported: list[Event] = []
    progress = JoinProgress(1000, reported.append)
    for done in range(1001):
        progress(done)
    assert reported == [progress.event(done) for done in range(10, 1000, 10)]
    assert reported[0] == ProgressEvent(stage="join", done=10, total=1000)
