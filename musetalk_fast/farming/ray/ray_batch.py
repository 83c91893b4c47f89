"""Renders a list of jobs on a cluster: each in a task, or in several where it has the capacity."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from musetalk_fast.batching import BatchListener, BatchOptions, Job, Outcome
from musetalk_fast.batching.outcome import failed
from musetalk_fast.batching.recording_length import recording_secs, shortest_first
from musetalk_fast.batching.report import JobRecord
from musetalk_fast.batching.run import make_folders
from musetalk_fast.batching.stop_conditions import (
    FailedFastError,
    check_folders,
    loses_servers,
    servers_gone,
)
from musetalk_fast.events import Event, ServerEvent, WarningEvent
from musetalk_fast.farming.ray import remote_tasks
from musetalk_fast.farming.ray.cluster import Cluster
from musetalk_fast.farming.ray.job_tasks import JobTasks, shares
from musetalk_fast.farming.ray.server_actor import wait_for_server
from musetalk_fast.farming.ray.work import Work, portable
from musetalk_fast.planning import Plan
from musetalk_fast.rendering import RenderResult
from musetalk_fast.rendering.result import done_event
from musetalk_fast.tasks import cancel_and_wait, run_all
from musetalk_fast.threads import run_in_thread

_FETCH_SECS = 0.25
_LOOK_SECS = 5.0
"""Between two looks at how large the cluster is: nodes come and go."""
_BESIDE = 2
"""Tasks that wait for a processor, so that none is idle and the cluster knows of more work."""
_PATIENCE_SECS = 10.0


async def render_on_ray(
    jobs: Sequence[Job],
    listener: BatchListener,
    records: Mapping[Path, JobRecord],
    options: BatchOptions,
    address: str,
    engine: str | None = None,
) -> None:
    """Render the jobs, those with the shortest recordings first; the listener gets the outcomes.

    Args:
        records: of earlier batches, by the absolute path of the output.
        address: of the cluster, as `Cluster` takes it.
        engine: of servers that the cluster runs; None: the settings name servers.

    Raises:
        errors.ClusterError: there is no cluster, or it cannot run servers.
        errors.ServersLostError: no server is left.
        errors.OutputWriteError: a folder for the videos cannot be made, or takes no more.
    """
    async with _connected(address) as cluster:
        batch = _RayBatch(cluster, listener, records, options)
        await batch.open_servers(engine)
        await run_in_thread(partial(make_folders, {job.output.parent for job in jobs}))
        await batch.run(await run_in_thread(partial(shortest_first, map(portable, jobs))))


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[Cluster]:
    cluster = Cluster(address)
    try:
        yield await run_in_thread(cluster.__enter__)
    finally:
        cluster.__exit__(None, None, None)


class _RayBatch:
    """The jobs of a batch, on a cluster."""

    def __init__(
        self,
        cluster: Cluster,
        listener: BatchListener,
        records: Mapping[Path, JobRecord],
        options: BatchOptions,
    ) -> None:
        self._cluster = cluster
        self._listener = listener
        self._records = records
        self._options = options
        self._capacity = cluster.capacity()
        self._secs: dict[str, float] = {}
        self._left: dict[str, Job] = {}
        self._at_work: dict[str, JobTasks] = {}
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._users: Counter[Any] = Counter()
        self._known_servers: set[ServerEvent] = set()
        self._fetching = asyncio.Lock()

    async def open_servers(self, engine: str | None) -> None:
        """Have the cluster run servers; return when the first of them listens."""
        if engine is None:
            return
        self._cluster.serve(engine)
        loop = asyncio.get_running_loop()
        note = loop.call_later(_PATIENCE_SECS, self._say_that_it_waits)
        try:
            await run_in_thread(partial(wait_for_server, self._cluster.servers))
        finally:
            note.cancel()

    def _say_that_it_waits(self) -> None:
        message = "waiting for a server: the cluster's may be in use, or still start"
        self._listener.event(None, WarningEvent(message=message, token="MTF-CLUSTER-WAIT"))

    async def run(self, jobs: Sequence[Job]) -> None:
        """Render the jobs in this order."""
        self._secs = {job.name: recording_secs(job.audio) for job in jobs}
        self._left = {job.name: job for job in jobs}
        waiting = deque(jobs)
        helpers = [asyncio.ensure_future(self._fetch()), asyncio.ensure_future(self._look())]
        try:
            while waiting or self._tasks:
                while waiting and self._has_room():
                    self._begin(waiting.popleft())
                done, _ = await asyncio.wait(
                    {*self._tasks, *helpers},
                    timeout=_LOOK_SECS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for each in done:
                    self._tasks.pop(each, None)
                    each.result()
        except FailedFastError:
            self._listener.interrupt()
        except BaseException:
            self._listener.interrupt()
            raise
        finally:
            await cancel_and_wait([*helpers, *self._tasks])

    def _has_room(self) -> bool:
        if self._options.at_once is not None:
            return len(self._tasks) < self._options.at_once
        return sum(self._tasks.values()) < self._capacity + _BESIDE

    def _begin(self, job: Job) -> None:
        pieces = self._pieces(job)
        self._tasks[asyncio.ensure_future(self._carry_out(job, pieces))] = pieces

    def _pieces(self, job: Job) -> int:
        """As many tasks as its share of the work that is left is of the cluster."""
        left = sum(self._secs.values())
        return max(1, int(self._capacity * self._secs[job.name] / left)) if left else 1

    async def _carry_out(self, job: Job, pieces: int) -> None:
        tasks = self._at_work[job.name] = JobTasks(job, pieces, self._event)
        self._listener.begin(job)
        try:
            made = await (self._whole(job) if pieces == 1 else self._in_pieces(tasks))
        except Exception as error:  # noqa: BLE001 - see `failed`
            outcome = failed(job, error)
        else:
            outcome = _outcome(job, made)
        await self._fetch_once()
        del self._at_work[job.name], self._secs[job.name], self._left[job.name]
        self._listener.end(outcome)
        await self._check(outcome)

    async def _check(self, outcome: Outcome) -> None:
        """Whether to go on after this job."""
        if outcome.error is None:
            return
        if loses_servers(outcome.error) and not self._cluster.servers:
            settings = outcome.job.settings
            if not await self._cluster.call(remote_tasks.servers_answer, settings):
                raise servers_gone(outcome.error)
        await run_in_thread(partial(check_folders, outcome.error, list(self._left.values())))
        if self._options.fail_fast:
            raise FailedFastError

    async def _whole(self, job: Job) -> RenderResult | Plan:
        with self._work(job) as work:
            made: RenderResult | Plan = await self._cluster.call(remote_tasks.render_whole, work)
        return made

    async def _in_pieces(self, tasks: JobTasks) -> RenderResult | Plan:
        """Plan, segments by several tasks, join."""
        job, laps = tasks.job, [time.monotonic()]
        with self._work(job) as work:
            planned = await self._cluster.call(remote_tasks.plan_video, work)
        if isinstance(planned, Plan):
            return planned
        laps.append(time.monotonic())
        await run_all(*(
            self._segments(job, planned.parts, piece, numbers)
            for piece, numbers in enumerate(shares(len(planned.plan.segments), tasks.pieces), 1)
        ))  # fmt: skip
        laps.append(time.monotonic())
        with self._work(job) as work:
            result = await self._cluster.call(remote_tasks.join_segments, work, planned)
        if isinstance(result, Plan):
            return result
        result = _timed(result, [*laps, time.monotonic()])
        await self._fetch_once()
        self._event(job, done_event(result))
        return result

    async def _segments(self, job: Job, parts: Path, piece: int, numbers: range) -> None:
        with self._work(job) as work:
            await self._cluster.call(remote_tasks.make_segments, work, parts, piece, numbers)

    @contextmanager
    def _work(self, job: Job) -> Iterator[Work]:
        """What a task gets; the server that has the fewest is its first."""
        servers = tuple(sorted(self._cluster.servers, key=lambda each: self._users[each]))
        self._users.update(servers[:1])
        try:
            yield Work(
                job=job,
                record=self._records.get(job.output),
                processors=self._cluster.processors,
                events=self._cluster.events,
                servers=servers,
                key=self._cluster.key if servers else None,
            )
        finally:
            self._users.subtract(servers[:1])

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_SECS)
            note = loop.call_later(_PATIENCE_SECS, self._say_that_it_is_silent)
            try:
                self._capacity = await run_in_thread(self._cluster.capacity)
            finally:
                note.cancel()

    def _say_that_it_is_silent(self) -> None:
        """Ray ends the process without a word of ours, a minute after the head was lost."""
        message = (
            "the cluster does not answer: without its head Ray ends this command after a minute; "
            "the same command again continues"
        )
        self._listener.event(None, WarningEvent(message=message, token="MTF-CLUSTER"))

    async def _fetch(self) -> None:
        while True:
            await asyncio.sleep(_FETCH_SECS)
            await self._fetch_once()

    async def _fetch_once(self) -> None:
        """Pass on what tasks have said."""
        async with self._fetching:
            for message in await self._cluster.fetch():
                if (tasks := self._at_work.get(message.job)) is not None:
                    tasks.take(message)

    def _event(self, job: Job | None, event: Event) -> None:
        if isinstance(event, ServerEvent):
            if event in self._known_servers:
                return
            self._known_servers.add(event)
        self._listener.event(job, event)


def _outcome(job: Job, made: RenderResult | Plan) -> Outcome:
    if isinstance(made, Plan):
        return Outcome(job, kept=made)
    return Outcome(job, result=made)


def _timed(result: RenderResult, laps: Sequence[float]) -> RenderResult:
    secs = [after - before for before, after in pairwise(laps)]
    return replace(
        result,
        wall_secs=laps[-1] - laps[0],
        fps=result.frames / max(1e-9, secs[1]),
        stages=dict(zip(("load", "generate", "join"), secs, strict=True)),
    )
