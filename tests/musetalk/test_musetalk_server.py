"""The MuseTalk engine behind the server, and the client before it."""

from __future__ import annotations

import asyncio
import os
import signal
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from musetalk_fast import ProcessingSettings, ServerSettings, Settings, render_async
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection
from musetalk_fast.engines.base import MakeEngine
from musetalk_fast.engines.registry import find_engine
from musetalk_fast.errors import ServerBusyError, ServerFailedError
from musetalk_fast.server.app import create_app
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.run import serving
from musetalk_fast.server.services import SERVICES
from musetalk_fast.server.sockets import open_listener
from musetalk_fast.video.provenance import read_comment

FRAMES = 6


@asynccontextmanager
async def server_with(make_engine: MakeEngine, folder: Path) -> AsyncIterator[str]:
    app = create_app(make_engine, folder / "store", Limits())
    with open_listener("127.0.0.1", 0, None) as listener:
        async with serving(app, listener, None, Limits()):
            await app[SERVICES].ready
            yield listener.address


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Noise that swells, for six frames at 25 a second."""
    count = FRAMES * 640
    noise = np.random.default_rng(3).normal(size=count) * np.linspace(0, 6000, count)
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(noise.astype("<i2").tobytes())
    return path


def frames_of(path: Path) -> np.ndarray:
    with av.open(path) as container:
        return np.stack([each.to_ndarray(format="rgb24") for each in container.decode(video=0)])


def engine(models: Path, folder: Path, **options: object) -> MakeEngine:
    given = {"models_dir": models, "latents_dir": folder / "latents", "device": "cpu"}
    return find_engine("musetalk", {**given, "half": "off", "batch_size": 2, **options})


async def test_a_still_and_a_video_speak(models, portrait, clip, speech, tmp_path) -> None:
    async with server_with(engine(models, tmp_path), tmp_path) as address:
        settings = Settings(server=ServerSettings(url=(address,)))
        still = await render_async(portrait, speech, tmp_path / "still.mp4", settings)
        moving = await render_async(clip, speech, tmp_path / "moving.mp4", settings)
    assert (still.frames, moving.frames) == (FRAMES, 8)
    assert still.engine == moving.engine == "musetalk"
    own = np.asarray(Image.open(portrait).convert("RGB")).astype(int)
    shown = frames_of(tmp_path / "still.mp4").astype(int)
    changed = np.abs(shown - own).mean(axis=(0, 3))
    assert changed[:100].mean() < 6  # above the nose the photo, encoded
    assert changed.max() > 60  # and a mouth that is painted of noise
    spoken = frames_of(tmp_path / "moving.mp4").astype(int)
    plain = frames_of(clip).astype(int)
    turn = [0, 1, 2, 3, 4, 4, 3, 2]  # forward, then backward
    # Beside the frame without a face the mouth fades: half of it is left.
    away = np.abs(spoken - plain[turn]).max(axis=(1, 2, 3))
    assert [number for number, each in enumerate(away) if each > 20] == [0, 1, 3, 4, 5, 6]


async def test_a_draft_is_called_a_draft(models, portrait, speech, tmp_path) -> None:
    """By the result, by the video, and by whatever compares engines; two processes make it."""
    async with server_with(
        engine(models, tmp_path, draft=True, gpus="cpu,cpu"), tmp_path
    ) as address:
        settings = Settings(server=ServerSettings(url=(address,)))
        draft = await render_async(portrait, speech, tmp_path / "draft.mp4", settings)
    assert draft.engine == "musetalk-draft"
    assert "engine musetalk-draft, model musetalk-draft-1.5-" in read_comment(draft.output)
    own = np.asarray(Image.open(portrait).convert("RGB")).astype(int)
    changed = np.abs(frames_of(tmp_path / "draft.mp4").astype(int) - own).mean(axis=(0, 3))
    assert changed[:100].mean() < 6
    assert changed.max() > 20


def workers() -> set[int]:
    """The processes that compute for this one."""
    lists = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    children = {int(pid) for each in lists for pid in each.read_text().split()}
    return {pid for pid in children if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()}


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(300):
        while not await holds():  # noqa: ASYNC110 - other processes do it
            await asyncio.sleep(0.1)


async def are_all_there() -> bool:
    return len(workers()) == 2


async def is_healthy(address: str) -> bool:
    async with Connection(parse_address(address), 60) as connection:
        with suppress(ServerBusyError):
            return (await connection.health()).status == "healthy"
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux only")
async def test_a_render_goes_on_where_a_worker_hangs(models, portrait, speech, tmp_path) -> None:
    """A hang of one costs its time limit; of all, an error that says so, until they are back."""
    make = engine(models, tmp_path, gpus="cpu,cpu", call_timeout=5.0)
    async with server_with(make, tmp_path) as address:
        settings = Settings(
            server=ServerSettings(url=(address,)), processing=ProcessingSettings(max_retries=0)
        )
        await render_async(portrait, speech, tmp_path / "whole.mp4", settings)
        whole, before = frames_of(tmp_path / "whole.mp4"), workers()
        assert len(before) == 2
        hung = min(before)
        os.kill(hung, signal.SIGSTOP)  # as in a driver that hangs
        await render_async(portrait, speech, tmp_path / "one.mp4", settings)
        assert np.array_equal(frames_of(tmp_path / "one.mp4"), whole)
        assert hung not in workers()
        await until(are_all_there)
        for pid in workers():
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ServerFailedError, match=r"did not return in 5 s"):
            await render_async(portrait, speech, tmp_path / "none.mp4", settings)
        await until(partial(is_healthy, address))
        await render_async(portrait, speech, tmp_path / "again.mp4", settings)
        assert np.array_equal(frames_of(tmp_path / "again.mp4"), whole)
    assert not (tmp_path / "none.mp4").exists()
    assert not workers()
