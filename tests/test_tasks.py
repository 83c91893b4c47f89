"""A task that awaits several others can be cancelled at any moment, and they end with it."""

from __future__ import annotations

import asyncio

import pytest

from musetalk_fast import errors, tasks
from musetalk_fast.tasks import cancel_and_wait, run_all
from musetalk_fast.threads import wait_until_ended

GONE = errors.ServerUnreachableError("gone")


class Works:
    """One that fails when asked, one that never ends."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.ended: list[str] = []

    async def fails(self) -> None:
        await self.go.wait()
        raise GONE

    async def goes_on(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append("goes on")

    async def stubborn(self) -> None:
        """Loses the first cancellation."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended.append("once")
        await self.goes_on()


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("moment", range(8))
async def test_a_cancellation_beside_a_failure_is_not_lost(moment: int) -> None:
    works = Works()
    waiting = asyncio.ensure_future(run_all(works.fails(), works.goes_on()))
    await _turns(5)
    works.go.set()
    await _turns(moment)
    if not waiting.done():
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    else:
        assert waiting.exception() is GONE
    await _turns(1)
    assert works.ended == ["goes on"]


async def test_the_moments_are_those_around_the_failure() -> None:
    """The test above would be worth nothing if all of its moments were too early, or too late."""
    lost = []
    for moment in range(8):
        works = Works()
        waiting = asyncio.gather(works.fails(), works.goes_on())
        await _turns(5)
        works.go.set()
        await _turns(moment)
        lost.append(waiting.cancel() and await _outcome(waiting) is GONE)
    assert any(lost)
    assert not all(lost)


async def _outcome(waiting: asyncio.Future[list[None]]) -> BaseException | None:
    (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
    return outcome if isinstance(outcome, BaseException) else None


async def test_all_have_ended_when_one_has_failed() -> None:
    works = Works()
    works.go.set()
    with pytest.raises(errors.ServerUnreachableError):
        await run_all(works.goes_on(), works.fails())
    assert works.ended == ["goes on"]


async def test_one_that_loses_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_AGAIN_SECS", 0.05)
    works = Works()
    running = [asyncio.ensure_future(works.stubborn()), asyncio.ensure_future(works.fails())]
    await _turns(5)
    await asyncio.wait_for(cancel_and_wait(running), 60)
    assert works.ended == ["once", "goes on"]
    assert all(task.done() for task in running)


@pytest.mark.parametrize("cancel", [1, 3])
async def test_a_wait_that_is_cancelled_ends_after_its_tasks(cancel: int) -> None:
    thread: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    inner = asyncio.ensure_future(wait_until_ended([thread]))
    waiting = asyncio.ensure_future(cancel_and_wait([inner]))
    for _ in range(cancel):
        await _turns(3)
        waiting.cancel()
    await _turns(3)
    asked, waits = inner.cancelling(), not waiting.done()
    thread.set_result(None)
    assert waits
    assert asked == 1, "what it cleans up would be interrupted"
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert inner.cancelled()


async def test_tasks_of_a_task_that_is_cancelled_again_and_again_end_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A batch waits for a render, which waits for a thread."""
    monkeypatch.setattr(tasks, "_AGAIN_SECS", 0.001)
    loop = asyncio.get_running_loop()
    thread: asyncio.Future[None] = loop.create_future()
    inner = asyncio.ensure_future(wait_until_ended([thread]))
    ended: list[bool] = []

    async def middle() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            try:
                await cancel_and_wait([inner])
            finally:
                ended.append(inner.done())

    render = asyncio.ensure_future(middle())
    await _turns(3)
    loop.call_later(0.05, thread.set_result, None)
    await asyncio.wait_for(cancel_and_wait([render]), 60)
    assert ended == [True]
