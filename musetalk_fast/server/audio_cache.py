"""Recordings that are ready: prepared once for their content."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from musetalk_fast.engines.base import Engine
from musetalk_fast.media.wav import open_speech
from musetalk_fast.server.avatar_cache import OnStage
from musetalk_fast.server.fair_queue import FairQueue
from musetalk_fast.server.single_flight import JobControl, SingleFlight
from musetalk_fast.server.store import AssetStore

Recordings = SingleFlight[str, object]
"""By the SHA-256 of the asset: what the engine's `infer` needs."""


def recording_cache(
    engine: Engine, store: AssetStore, thread: Executor, keep: int, on_stage: OnStage
) -> Recordings:
    """Prepares recordings in a thread, one after the other, users in turn; keeps the last ones."""
    turns = FairQueue()

    def prepare(path: Path, watch: JobControl) -> object:
        with on_stage("prepare_recording"):
            return engine.prepare_audio(open_speech(path), watch.check)

    async def make(name: str, watch: JobControl) -> object:
        with store.lease(name) as path, store.giving_way(partial(store.counted, name)):
            await store.verify(name)
            work = partial(prepare, path, watch)
            async with turns.turn(watch.users):
                return await asyncio.get_running_loop().run_in_executor(thread, work)

    return SingleFlight(make, keep)
