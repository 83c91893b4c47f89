"""A server's services, from the store to the engine's thread."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from musetalk_fast.engines.base import Engine, EngineInfo, MakeEngine, WorkerCount
from musetalk_fast.server.audio_cache import Recordings, recording_cache
from musetalk_fast.server.avatar_cache import Avatars, avatar_cache
from musetalk_fast.server.batcher import Batcher
from musetalk_fast.server.engine_health import EngineHealth, workers_of
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.job_registry import Jobs
from musetalk_fast.server.limiter import ByteBudget, Limiter
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.memory_pressure import MemoryPressure
from musetalk_fast.server.metrics import Metrics
from musetalk_fast.server.quotas import Quotas
from musetalk_fast.server.store import AssetStore
from musetalk_fast.threads import run_in_thread, thread_errors
from musetalk_fast.wire.requests import MAX_REQUEST_BYTES

_ENCODERS = 2
"""Threads that encode crops and masks for sockets."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """What there is once the engine is loaded."""

    engine: Engine
    info: EngineInfo
    avatars: Avatars
    recordings: Recordings
    batcher: Batcher


class Services:
    """One server's parts. Made in the event loop, by `open_services`.

    Args:
        store_dir: folder of the assets.
        names_users: users have names, by which their frames are counted.
    """

    def __init__(self, store_dir: Path, limits: Limits, *, names_users: bool = False) -> None:
        self.metrics = Metrics()
        self.memory = MemoryPressure()
        self._health = EngineHealth()
        self.names_users = names_users
        self.limits = limits
        self.store = AssetStore(store_dir, limits.store_bytes, limits.max_asset_bytes)
        self.limiter = Limiter(limits.max_streams)
        self.quotas = Quotas()
        self.jobs = Jobs()
        self.bodies = ByteBudget(limits.max_body_bytes, limits.short_body_bytes, MAX_REQUEST_BYTES)
        self.encoders = ThreadPoolExecutor(_ENCODERS, "encode")
        self.draining = False
        self.ready: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()

    @property
    def status(self) -> str:
        """One of `requests.STATUSES`."""
        if self.draining:
            return "draining"
        if not self.ready.done():
            return "loading"
        if self.is_loaded and self._health.has_failed(
            self.workers, self.ready.result().batcher.began
        ):
            return "engine_failed"
        return "out_of_memory" if self.memory.is_short else "healthy"

    @property
    def workers(self) -> WorkerCount | None:
        """Of the engine, once it is loaded and if it has any."""
        return workers_of(self.ready.result().engine) if self.is_loaded else None

    @property
    def is_loaded(self) -> bool:
        """Whether the engine is ready."""
        return self.ready.done() and self.ready.exception() is None

    @property
    def loaded(self) -> Loaded:
        """What requests work with.

        Raises:
            RefusalError: 503 while loading or draining.
        """
        if self.status in ("loading", "draining"):
            raise RefusalError(
                503, f"MTF-{self.status.upper()}", f"the server is {self.status}", "try again later"
            )
        return self.ready.result()

    def on_batch(self, users: Counter[str], secs: float, error: Exception | None) -> None:
        """Count a batch of the engine; from its thread."""
        if error is not None:
            self._failed(error)
            return
        self.memory.worked()
        self._health.worked()
        self.metrics.made(users if self.names_users else Counter({"": users.total()}), secs)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage of the engine, in its thread."""
        try:
            with self.metrics.stage(name):
                yield
        except Exception as error:
            self._failed(error)
            raise

    def _failed(self, error: Exception) -> None:
        self.memory.failed(error)
        self._health.failed(error)


SERVICES = web.AppKey("services", Services)


@asynccontextmanager
async def open_services(
    make_engine: MakeEngine, store_dir: Path, limits: Limits, *, names_users: bool = False
) -> AsyncIterator[Services]:
    """Open the store at once and load the engine in the background.

    The engine's verbs each have one thread: none is called twice at once.
    """
    services = Services(store_dir, limits, names_users=names_users)
    threads = (ThreadPoolExecutor(1, "avatar"), ThreadPoolExecutor(1, "recording"))
    loading = asyncio.ensure_future(_load(services, make_engine, threads))
    try:
        yield services
    finally:
        loading.cancel()
        await asyncio.wait([loading])
        for pool in (*threads, services.encoders):
            pool.shutdown(wait=False, cancel_futures=True)


async def _load(
    services: Services, make_engine: MakeEngine, threads: tuple[ThreadPoolExecutor, ...]
) -> None:
    """Load the engine and keep it until cancelled."""
    loop = asyncio.get_running_loop()
    limits, store = services.limits, services.store
    avatar_thread, recording_thread = threads
    try:
        with thread_errors():
            engine = await loop.run_in_executor(avatar_thread, make_engine)
            info = engine.describe()
            batcher = Batcher(engine, loop, services.on_batch)
    except Exception as error:  # noqa: BLE001 - reported by the process that serves
        services.ready.set_exception(error)
        return
    services.ready.set_result(
        Loaded(
            engine=engine,
            info=info,
            avatars=avatar_cache(engine, store, avatar_thread, limits, services.stage),
            recordings=recording_cache(
                engine, store, recording_thread, limits.recordings, services.stage
            ),
            batcher=batcher,
        )
    )
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await run_in_thread(batcher.close)
        engine.close()
