"""A listener that raises ends the render with what it raised, whatever the event."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from musetalk_fast import OutputSettings, ServerSettings, Settings, render_async
from musetalk_fast.config import ProcessingSettings
from musetalk_fast.events import (
    Event,
    PlanEvent,
    ProgressEvent,
    SegmentEvent,
    ServerEvent,
    UploadEvent,
    WarningEvent,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "client"))

from scripted_server import Script, frame, full_stream, serving

REPOSITORY = Path(__file__).parents[2]
PORTRAIT = REPOSITORY / "examples/portrait.png"
SPEECH = REPOSITORY / "tests/data/short.wav"


class ListenerError(Exception):
    """What a listener raises."""


def _corrupted(request: dict[str, object]) -> list[bytes]:
    """All frames come, and only then the encoder finds that one is no crop."""
    messages = full_stream(request)
    messages[3] = frame(2, rows=100)  # fewer rows than the mask needs
    return messages


def _stage(name: str, done: int) -> Callable[[Event], bool]:
    return lambda event: (
        isinstance(event, ProgressEvent) and event.stage == name and event.done >= done
    )


MOMENTS: dict[str, Callable[[Event], bool]] = {
    "loading begins": _stage("load", 0),
    "loading ends": _stage("load", 2),
    "the plan": lambda event: isinstance(event, PlanEvent),
    "a server": lambda event: isinstance(event, ServerEvent),
    "an upload": lambda event: isinstance(event, UploadEvent),
    "the first frames": _stage("generate", 1),
    "an encoded frame": _stage("encode", 1),
    "a segment": lambda event: isinstance(event, SegmentEvent),
    "joining begins": _stage("join", 0),
}


async def _render(url: str, folder: Path, listener: Callable[[Event], None]) -> None:
    settings = Settings(
        server=ServerSettings(url=url, timeout_secs=20),
        output=OutputSettings(preset="ultrafast", sound="none"),
        processing=ProcessingSettings(max_retries=3),
    )
    async with asyncio.timeout(30):
        await render_async(PORTRAIT, SPEECH, folder / "out.mp4", settings, on_event=listener)


@pytest.mark.parametrize(
    ("moment", "kind"),
    # No coroutine can raise the last one (PEP 479), and no future takes it.
    [*((moment, ListenerError) for moment in MOMENTS), ("a segment", StopIteration)],
)
async def test_what_a_listener_raises_ends_the_render(
    tmp_path: Path, moment: str, kind: type[BaseException]
) -> None:
    raised: list[BaseException] = []

    def listener(event: Event) -> None:
        if raised or MOMENTS[moment](event):
            raised.append(kind("no more"))
            raise raised[-1]

    async with serving(Script()) as url:
        with pytest.raises((kind, RuntimeError)) as caught:
            await _render(url, tmp_path, listener)
    first = raised[0]
    assert first is (caught.value.__cause__ if kind is StopIteration else caught.value)
    assert not (tmp_path / "out.mp4").exists()


async def test_a_listener_that_raises_on_a_corrupt_frame_ends_the_render(
    tmp_path: Path,
) -> None:
    error = ListenerError("no more")

    def listener(event: Event) -> None:
        if isinstance(event, WarningEvent):
            raise error

    async with serving(Script(frames=_corrupted)) as url:
        with pytest.raises(ListenerError) as caught:
            await _render(url, tmp_path, listener)
    assert caught.value is error
