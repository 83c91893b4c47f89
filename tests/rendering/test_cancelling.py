"""A render that is cancelled ends with its threads: nothing works on without the folder's lock."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from musetalk_fast import OutputSettings, ServerSettings, Settings, render_async
from musetalk_fast.config import AvatarSettings
from musetalk_fast.events import Event, PlanEvent, ProgressEvent
from musetalk_fast.planning import inputs as planning_inputs
from musetalk_fast.rendering import loading
from musetalk_fast.rendering import renderer as renderers
from musetalk_fast.rendering.jobdir import locked_job_directory
from musetalk_fast.storage import AtomicFile
from musetalk_fast.video import mux as outputs

sys.path.insert(0, str(Path(__file__).parents[1] / "client"))

from scripted_server import Script, serving

REPOSITORY = Path(__file__).parents[2]
PORTRAIT = REPOSITORY / "examples/portrait.png"
SPEECH = REPOSITORY / "tests/data/short.wav"
HOUR = 3600
LONG_SECS = 100
"""For a busy machine."""


def _start(
    url: str, output: Path, listener: Callable[[Event], None], audio: Path = SPEECH
) -> asyncio.Task[object]:
    settings = Settings(
        server=ServerSettings(url=url, timeout_secs=20),
        avatar=AvatarSettings(face_check=False),
        output=OutputSettings(preset="ultrafast", sound="none"),
    )
    job = render_async(PORTRAIT, audio, output, settings, on_event=listener)
    return asyncio.ensure_future(job)


async def test_while_it_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of sound takes seconds to decode; it is not decoded to its end."""
    with wave.open(str(tmp_path / "hour.wav"), "wb") as sound:
        sound.setparams((1, 2, 8_000, 0, "NONE", ""))
        sound.writeframes(bytes(2 * 8_000 * HOUR))
    reported: list[Event] = []
    ended: list[bool] = []
    load_speech = planning_inputs.load_speech

    def noted(*given: Any) -> object:
        try:
            return load_speech(*given)
        finally:
            ended.append(True)

    def listener(event: Event) -> None:
        reported.append(event)
        if isinstance(event, ProgressEvent) and event.done == 1:
            render.cancel()

    monkeypatch.setattr(planning_inputs, "load_speech", noted)
    async with serving(Script()) as url:
        render = _start(url, tmp_path / "out.mp4", listener, tmp_path / "hour.wav")
        with pytest.raises(asyncio.CancelledError):
            await render
        assert ended
    assert not any(isinstance(event, PlanEvent) for event in reported)
    assert os.listdir(tmp_path) == ["hour.wav"]  # noqa: PTH208 - asyncio's rule forbids the other


@pytest.mark.long
async def test_while_it_joins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The join has begun, and the lock is held until it has ended; nothing appears afterwards."""
    output = tmp_path / "out.mp4"
    joining, go = threading.Event(), threading.Event()
    write = outputs._write

    def slow(*given: object) -> None:
        write(*given)  # type: ignore[arg-type]
        joining.set()
        assert go.wait(LONG_SECS)

    monkeypatch.setattr(outputs, "_write", slow)
    async with serving(Script()) as url:
        render = _start(url, output, lambda _event: None)
        assert await asyncio.to_thread(joining.wait, LONG_SECS)
        for _ in range(3):
            render.cancel()
            await asyncio.sleep(0.05)
        with pytest.raises(Exception, match="another render"), locked_job_directory(output):
            pass
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await render
    assert not output.exists()
    with locked_job_directory(output) as folder:
        assert folder.holds_parts()
        assert not list(folder.path.glob("*.tmp"))


async def test_while_it_keeps_the_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a thread writes late would stand in a folder that is another's by then."""
    writing, go = threading.Event(), threading.Event()
    commit_if_absent = AtomicFile.commit_if_absent

    def slow(file: AtomicFile) -> int | None:
        writing.set()
        assert go.wait(LONG_SECS)
        return commit_if_absent(file)

    monkeypatch.setattr(AtomicFile, "commit_if_absent", slow)
    async with serving(Script()) as url:
        render = _start(url, tmp_path / "out.mp4", lambda _event: None)
        assert await asyncio.to_thread(writing.wait, LONG_SECS)
        render.cancel()
        await asyncio.sleep(0.05)
        assert not render.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await render
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - asyncio's rule forbids the other


@pytest.mark.parametrize("name", ["check_place", "locked_job_directory"])
async def test_a_slow_disk_does_not_hold_the_loop(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = loading if name == "check_place" else renderers
    blocked, turns = getattr(module, name), threading.Event()

    def slow(*given: object) -> object:
        assert turns.wait(LONG_SECS), "the loop had no turn meanwhile"
        return blocked(*given)

    def slow_context(*given: object) -> object:
        context = blocked(*given)
        enter = context.__enter__

        class Slow:
            def __enter__(self) -> object:
                assert turns.wait(LONG_SECS), "the loop had no turn meanwhile"
                return enter()

            def __exit__(self, *details: object) -> object:
                return context.__exit__(*details)

        return Slow()

    monkeypatch.setattr(module, name, slow_context if name == "locked_job_directory" else slow)
    async with serving(Script()) as url:
        render = _start(url, tmp_path / "out.mp4", lambda _event: None)
        asyncio.get_running_loop().call_later(0.05, turns.set)
        await render
    assert (tmp_path / "out.mp4").exists()
