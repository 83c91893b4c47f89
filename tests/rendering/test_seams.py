"""A video of segments shows what one of a single segment does, whoever made which of them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from musetalk_fast import OutputSettings, ProcessingSettings, ServerSettings, Settings, render
from musetalk_fast.events import Event, SegmentEvent, ServerEvent

ROOT = Path(__file__).parents[2]


def _frames(output: Path, url: object, wire: str, segment_secs: float) -> tuple[np.ndarray, int]:
    """All samples of a render without loss; of how many segments it was made."""
    events: list[Event] = []
    settings = Settings(
        server=ServerSettings(url=url, wire=wire),  # type: ignore[arg-type]
        output=OutputSettings(codec="ffv1", resolution=(256, 256), fps=8, sound="none"),
        processing=ProcessingSettings(segment_secs=segment_secs),
    )
    inputs = ROOT / "examples/portrait.png", ROOT / "tests/data/short.wav"
    render(*inputs, output, settings, on_event=events.append)
    wires = {event.wire for event in events if isinstance(event, ServerEvent)}
    assert wires == {wire}
    with av.open(str(output)) as container:
        frames = np.stack([frame.to_ndarray() for frame in container.decode(video=0)])
    return frames, sum(isinstance(event, SegmentEvent) for event in events)


def test_the_mouth_at_every_seam_is_that_of_the_unsegmented_video(
    tmp_path: Path, preview_server: str
) -> None:
    """Sample for sample, on both wires, and from two servers."""
    whole, one = _frames(tmp_path / "whole.mkv", preview_server, "ndjson", 600)
    other = preview_server.replace("127.0.0.1", "localhost")
    both, several = _frames(tmp_path / "both.mkv", [preview_server, other], "binary", 1)
    assert (one, several) == (1, 3)
    assert len(np.unique(whole.reshape(len(whole), -1), axis=0)) > 15, "the mouth moves"
    np.testing.assert_array_equal(both, whole)
