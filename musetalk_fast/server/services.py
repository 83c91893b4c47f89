"""Everything one server holds, from the store to the thread of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from musetalk_fast.engines.base import EngineInfo, MakeEngine
from musetalk_fast.server.audio_cache import Recordings, recording_cache
from musetalk_fast.server.avatar_cache import Avatars, avatar_cache
from musetalk_fast.server.batcher import Batcher
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.job_registry import Jobs
from musetalk_fast.server.limiter import ByteBudget, Limiter
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.quotas import Quotas
from musetalk_fast.server.store import AssetStore
from musetalk_fast.threads import run_in_thread, thread_errors

_ENCODERS = 2
"""Threads that encode crops and masks for sockets."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """What there is once the engine is loaded."""

    info: EngineInfo
    avatars: Avatars
    recordings: Recordings
    batcher: Batcher


class Services:
    """One server's parts. Made in the event loop, by `open_services`.

    Args:
        store_dir: folder of the assets.
    """

    def __init__(self, store_dir: Path, limits: Limits) -> None:
        self.limits = limits
        self.store = AssetStore(store_dir, limits.store_bytes, limits.max_asset_bytes)
        self.limiter = Limiter(limits.max_streams)
        self.quotas = Quotas()
        self.jobs = Jobs()
        self.bodies = ByteBudget(limits.max_body_bytes)
        self.encoders = ThreadPoolExecutor(_ENCODERS, "encode")
        self.draining = False
        self.ready: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()

    @property
    def status(self) -> str:
        """`healthy`, `loading` or `draining`."""
        if self.draining:
            return "draining"
        return "healthy" if self.ready.done() else "loading"

    @property
    def loaded(self) -> Loaded:
        """What requests work with.

        Raises:
            RefusalError: 503 while loading or draining.
        """
        if self.status != "healthy":
            raise RefusalError(
                503, f"MTF-{self.status.upper()}", f"the server is {self.status}", "try again later"
            )
        return self.ready.result()


SERVICES = web.AppKey("services", Services)


@asynccontextmanager
async def open_services(
    make_engine: MakeEngine, store_dir: Path, limits: Limits
) -> AsyncIterator[Services]:
    """Open the store at once and load the engine in the background.

    The engine's verbs each have one thread: none is called twice at once.
    """
    services = Services(store_dir, limits)
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
            batcher = Batcher(engine, loop)
    except Exception as error:  # noqa: BLE001 - reported by the process that serves
        services.ready.set_exception(error)
        return
    services.ready.set_result(
        Loaded(
            info=info,
            avatars=avatar_cache(engine, store, avatar_thread, limits),
            recordings=recording_cache(engine, store, recording_thread, limits.recordings),
            batcher=batcher,
        )
    )
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await run_in_thread(batcher.close)
        engine.close()
