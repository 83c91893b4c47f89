"""Renders from servers that know only `POST /infer`: full frames instead of crops."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from musetalk_fast import (
    OutputSettings,
    ProcessingSettings,
    RenderResult,
    ServerSettings,
    Settings,
    errors,
    render,
)
from musetalk_fast.events import Event, WarningEvent

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "client"))

from infer_server_process import infer_server, listening  # noqa: E402

PORTRAIT = TESTS.parent / "examples/portrait.png"
SPEECH = TESTS / "data/short.wav"


def _render(url: str, output: Path, wire: str = "auto", **more: object) -> RenderResult:
    settings = Settings(
        server=ServerSettings(url=url, wire=wire, timeout_secs=20),
        output=OutputSettings(resolution=(256, 256), preset="ultrafast", crf=12, sound="none"),
        processing=ProcessingSettings(segment_secs=1.0, max_retries=1),
    )
    return render(PORTRAIT, SPEECH, output, settings, **more)  # type: ignore[arg-type]


def _luma(path: Path) -> NDArray[np.int16]:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]
    return np.stack(frames).astype(np.int16)


@pytest.mark.long
def test_full_frames_show_what_crops_show(tmp_path: Path) -> None:
    with listening(["-m", "musetalk_fast", "serve", "--port", "0"]) as url:
        crops = _render(url, tmp_path / "crops.mp4")
        full = _render(url, tmp_path / "full.mp4", wire="infer")
    assert crops.frames == full.frames
    ours, theirs = _luma(tmp_path / "crops.mp4"), _luma(tmp_path / "full.mp4")
    difference = np.abs(ours - theirs)
    # The server blends in RGB, we in the planes; both are then encoded.
    assert difference.mean() < 1.0
    assert np.percentile(difference, 99.9) <= 12
    assert crops.mouth is not None
    assert full.mouth is not None
    assert full.mouth.speech_secs == crops.mouth.speech_secs > 1
    # The mouth's place is the server's word there, our own look at the avatar here.
    assert full.mouth.moved == pytest.approx(crops.mouth.moved, rel=0.5)


def test_a_server_with_another_engine_is_refused(tmp_path: Path) -> None:
    events: list[Event] = []
    with infer_server(framing="close", pretty=True, escapes=True, order="turned") as url:
        result = _render(url, tmp_path / "out.mp4", on_event=events.append)
    assert result.engine == "infer"
    assert len(_luma(tmp_path / "out.mp4")) == result.frames
    reported = {event.token for event in events if isinstance(event, WarningEvent)}
    assert reported <= {"MTF-WARNING"}  # the face is tiny, but nothing went wrong
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["comment"].startswith("lip-sync: engine infer, model ")


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    with (
        infer_server(size=[128, 128]) as url,
        pytest.raises(errors.FrameShapeError, match="128x128 pixels, not 256x256"),
    ):
        _render(url, tmp_path / "out.mp4")
