"""Who waits for work in a thread goes on only when it has ended, however often he is cancelled."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from musetalk_fast.threads import (
    AbandonedError,
    CancelFlag,
    call_in_loop,
    in_threads,
    run_in_thread,
    wait_until_ended,
)


class Work:
    """Blocks a thread until it may go on."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.ended = False

    def __call__(self) -> int:
        self.begun.set()
        assert self.go.wait(10)
        self.ended = True
        return 7


async def _turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_returns_and_raises_what_the_work_does() -> None:
    assert await run_in_thread(lambda: 7) == 7
    with pytest.raises(KeyError):
        await run_in_thread(lambda: {}["x"])
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(3)
    assert await run_in_thread(variable.get) == 3


async def test_who_is_cancelled_waits_for_the_thread() -> None:
    work = Work()
    reported: list[bool] = []
    waiting = asyncio.ensure_future(run_in_thread(work, lambda: reported.append(work.ended)))
    await asyncio.to_thread(work.begun.wait, 10)
    for _ in range(3):
        waiting.cancel()
        await _turns()
        assert not waiting.done(), "the thread is still at work"
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.ended
    assert reported == [False]


async def test_work_that_fails_after_the_cancellation_is_not_missed() -> None:
    flag = CancelFlag()

    def work() -> None:
        while True:
            flag.check()

    waiting = asyncio.ensure_future(run_in_thread(work, flag.set))
    await _turns()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_cancellation_is_raised_when_all_have_ended() -> None:
    futures = [asyncio.get_running_loop().create_future() for _ in range(2)]
    waiting = asyncio.ensure_future(wait_until_ended(futures))
    await _turns()
    waiting.cancel()
    futures[0].set_result(None)
    await _turns()
    assert not waiting.done()
    futures[1].set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await waiting


class Place:
    """A context that notes who is in it, and takes long to enter."""

    def __init__(self) -> None:
        self.work = Work()
        self.inside = False

    @contextmanager
    def __call__(self) -> Iterator[int]:
        self.work()
        self.inside = True
        try:
            yield 7
        finally:
            self.inside = False


async def test_a_context_is_left_whether_or_not_its_body_fails() -> None:
    place = Place()
    place.work.go.set()
    async with in_threads(place()) as value:
        assert (value, place.inside) == (7, True)
    assert not place.inside
    with pytest.raises(KeyError):
        async with in_threads(place()):
            raise KeyError
    assert not place.inside


async def test_a_context_whose_entering_is_cancelled_is_left() -> None:
    place = Place()

    async def enter() -> None:
        async with in_threads(place()):
            raise AssertionError("cancelled before")

    entering = asyncio.ensure_future(enter())
    await asyncio.to_thread(place.work.begun.wait, 10)
    entering.cancel()
    await _turns()
    place.work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert place.work.ended
    assert not place.inside


async def test_a_call_in_the_loop_brings_back_what_it_returns_and_raises() -> None:
    loop = asyncio.get_running_loop()
    here = threading.get_ident()
    assert await run_in_thread(lambda: call_in_loop(loop, threading.get_ident)) == here
    flag = CancelFlag()
    flag.set()
    with pytest.raises(AbandonedError):
        await run_in_thread(lambda: call_in_loop(loop, flag.check))
