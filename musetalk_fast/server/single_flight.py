"""Work that many may wait for and that is done once."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from musetalk_fast.threads import CancelFlag
from musetalk_fast.wire.messages import Progress

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class JobControl(CancelFlag):
    """The progress that a worker thread reports, and the flag by which it is cancelled.

    Attributes:
        users: how many requests of each wait for it; who has begun it stays.
    """

    def __init__(self, user: str) -> None:
        super().__init__()
        self.progress: Progress | None = None
        self.users = Counter({user: 0})


class _Job(Generic[V]):
    def __init__(self, task: asyncio.Task[V], watch: JobControl) -> None:
        self.task = task
        self.watch = watch


class SingleFlight(Generic[K, V]):
    """Results by key: the last `keep` of them, and one job for all who wait for the same.

    A job whose last waiter goes away is cancelled. A failure is raised in its waiters, not cached.

    Args:
        make: does the work for a key.
        keep: results kept; the least recently used one goes.
        weigh, most: the results kept weigh no more together; the last one is kept in any case.
    """

    def __init__(
        self,
        make: Callable[[K, JobControl], Awaitable[V]],
        keep: int,
        weigh: Callable[[V], int] = lambda _result: 0,
        most: int = 0,
    ) -> None:
        self._make = make
        self._keep = keep
        self._weigh = weigh
        self._most = most
        self._results: OrderedDict[K, V] = OrderedDict()
        self._jobs: dict[K, _Job[V]] = {}

    async def get(self, key: K, user: str) -> V:
        """The result for a key, made if need be; raises what making it raised."""
        if key in self._results:
            self._results.move_to_end(key)
            return self._results[key]
        job = self._jobs.get(key) or self._begin(key, user)
        users = job.watch.users
        users[user] += 1
        try:
            return await asyncio.shield(job.task)
        finally:
            users[user] -= 1
            if not users.total() and not job.task.done():
                self._abandon(key, job)

    def progress(self, key: K) -> Progress | None:
        """How far the work for a key is; None if nothing is known."""
        job = self._jobs.get(key)
        return job.watch.progress if job else None

    def _begin(self, key: K, user: str) -> _Job[V]:
        watch = JobControl(user)
        job = _Job(asyncio.ensure_future(self._run(key, watch)), watch)
        self._jobs[key] = job
        job.task.add_done_callback(lambda _task: self._forget(key, job))
        return job

    async def _run(self, key: K, watch: JobControl) -> V:
        result = await self._make(key, watch)
        self._results[key] = result
        self._results.move_to_end(key)
        while len(self._results) > 1 and self._is_too_much():
            self._results.popitem(last=False)
        return result

    def _is_too_much(self) -> bool:
        weight = sum(self._weigh(result) for result in self._results.values())
        return len(self._results) > self._keep or weight > self._most

    def _abandon(self, key: K, job: _Job[V]) -> None:
        job.watch.set()
        job.task.cancel()
        self._forget(key, job)

    def _forget(self, key: K, job: _Job[V]) -> None:
        if self._jobs.get(key) is job:
            del self._jobs[key]
        if job.task.done() and not job.task.cancelled():
            job.task.exception()  # seen, even where the last waiter had just gone
