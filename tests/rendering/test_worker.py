"""The workers of one server back off together, and one failure of it counts once for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

import pytest
from active_segments import Encoder, frames, member

from musetalk_fast import errors
from musetalk_fast.client import backoff
from musetalk_fast.client.pool import Pool
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.scheduler import Scheduler
from musetalk_fast.rendering.segment import ActiveSegment
from musetalk_fast.rendering.worker import Worker
from musetalk_fast.wire.messages import Frame

WORKERS, RETRIES = 8, 5
LOST = errors.ServerUnreachableError("no connection")

Say = Callable[[int, float], "errors.MuseTalkError | None"]
"""Given the number of a request and the seconds since the first one: why it fails."""


class Server:
    """What a worker sees of a server: it fails as `say` returns.

    Attributes:
        unready: what every worker but the first gets while that one's stream runs.
    """

    def __init__(self, say: Say, *, full_frames: bool = False) -> None:
        self.uses_infer = full_frames
        self.asked: list[float] = []
        self.readied = 0
        self.unready: errors.MuseTalkError | None = None
        self._say = say

    async def ready(self) -> bool:
        self.readied += 1
        if self.unready is not None and self.readied > 1:
            await asyncio.sleep(0.03)
            if asyncio.get_running_loop().time() - self.asked[0] < 0.1:
                raise self.unready
        return True

    def invalidate(self) -> None:
        pass

    @asynccontextmanager
    async def open_frames(self, segment: Segment, next_index: int) -> AsyncIterator[object]:
        await self._answer()
        yield self._give(range(next_index, segment.stop))

    @asynccontextmanager
    async def open_full_frames(self) -> AsyncIterator[object]:
        await self._answer()
        yield self._give(range(8))

    async def _answer(self) -> None:
        self.asked.append(asyncio.get_running_loop().time())
        number = len(self.asked) - 1
        await asyncio.sleep(0.01)
        error = self._say(number, self.asked[number] - self.asked[0])
        if error is not None:
            raise error

    async def _give(self, indices: range) -> AsyncIterator[list[Frame]]:
        await asyncio.sleep(0.1)
        yield frames(*indices)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def run_workers(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Server], Awaitable[Scheduler]]:
    """Runs all workers of a server on two segments, until they end or the parts are made."""
    monkeypatch.setattr(backoff, "_INITIAL_SECS", 0.05)

    async def run(server: Server) -> Scheduler:
        one = member(tries=RETRIES)
        begin = partial(ActiveSegment, encode=Encoder(), threads=threads)
        cut = [Segment(0, 0, 4), Segment(1, 4, 8)]
        scheduler = Scheduler(cut, 2, begin, RETRIES + 1, lambda *_: None, lambda *_: None)
        full_frames = asyncio.Lock()
        workers = [
            asyncio.ensure_future(
                Worker(one, server, Pool([one]), scheduler, full_frames, lambda _event: None).run()  # type: ignore[arg-type]
            )
            for _ in range(WORKERS)
        ]
        ended = asyncio.ensure_future(asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION))
        try:
            await asyncio.wait(
                {scheduler.finished, ended}, timeout=60, return_when=asyncio.FIRST_COMPLETED
            )
            for worker in workers:
                if worker.done():
                    worker.result()
        finally:
            for task in (ended, *workers):
                task.cancel()
            await asyncio.gather(ended, *workers, return_exceptions=True)
            await scheduler.close()
        return scheduler

    return run


RunWorkers = Callable[[Server], Awaitable[Scheduler]]


@pytest.mark.parametrize("full_frames", [False, True])
async def test_a_short_outage_is_survived(full_frames: bool, run_workers: RunWorkers) -> None:
    server = Server(lambda _number, secs: LOST if secs < 0.3 else None, full_frames=full_frames)
    scheduler = await run_workers(server)
    assert sorted(scheduler.parts) == [0, 1]


@pytest.mark.parametrize("full_frames", [False, True])
async def test_no_worker_asks_before_the_retry_after_that_one_received(
    full_frames: bool, run_workers: RunWorkers
) -> None:
    busy = errors.ServerBusyError("503", retry_after=0.3)
    server = Server(lambda _number, secs: busy if secs < 0.25 else None, full_frames=full_frames)
    scheduler = await run_workers(server)
    assert sorted(scheduler.parts) == [0, 1]
    first = [at - server.asked[0] for at in server.asked]
    assert all(at >= 0.3 for at in first[2:]), "two at once, one for each segment"


async def test_no_worker_asks_a_server_that_another_has_excluded(
    run_workers: RunWorkers,
) -> None:
    server = Server(lambda _number, _secs: errors.NotAuthorisedError("no"))
    with pytest.raises(errors.NotAuthorisedError):
        await run_workers(server)
    assert len(server.asked) <= 2, "one for each segment"


async def test_workers_wait_for_a_server_that_is_saturated_by_one(
    run_workers: RunWorkers,
) -> None:
    """It says how long, to one of them; the next request comes when a stream has ended."""
    busy = errors.ServerBusyError("all streams are in use", retry_after=30.0)
    server = Server(lambda number, _secs: busy if number == 1 else None)
    scheduler = await run_workers(server)
    assert sorted(scheduler.parts) == [0, 1]
    assert len(server.asked) == 3
    assert server.asked[2] - server.asked[0] >= 0.1


async def test_a_saturated_server_is_not_asked_in_a_busy_loop(
    run_workers: RunWorkers,
) -> None:
    server = Server(lambda _number, _secs: None)
    server.unready = errors.ServerBusyError("503", retry_after=0.05)
    scheduler = await run_workers(server)
    assert sorted(scheduler.parts) == [0, 1]
    assert server.readied < 100
