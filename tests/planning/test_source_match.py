"""`--match-source`, and a plan whose encoder the machine that follows it lacks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from musetalk_fast.config import AvatarSettings, OutputSettings, ServerSettings, Settings
from musetalk_fast.errors import EncoderError
from musetalk_fast.events import Event, WarningEvent
from musetalk_fast.planning import SegmentChoice, make_plan
from musetalk_fast.planning.source_match import matched
from musetalk_fast.rendering.steps import render_segments, write_plan
from musetalk_fast.video import available_encoders, codec_choice, encoder_selection

SPEECH = Path(__file__).parents[1] / "data/short.wav"
SIZE = 128
FAST = {"deadline": "realtime", "cpu-used": "8"}
PLACE = Path("o.mov")
AS_IT_IS = AvatarSettings(face_check=False)


def _video(path: Path, codec: str, pix_fmt: str, **options: str) -> Path:
    """Eight frames of noise."""
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, pix_fmt
        if "profile" in options:
            stream.codec_context.open()
        for number in range(8):
            rgb = rng.integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def _bitrate(path: Path) -> int:
    with av.open(str(path)) as file:
        return file.streams.video[0].codec_context.bit_rate or 0


def test_codec_and_rate_of_the_avatar_stand_where_nothing_was_chosen(tmp_path: Path) -> None:
    source = _video(tmp_path / "a.mp4", "libx264", "yuv420p", preset="ultrafast")
    rate = _bitrate(source)
    assert rate > 100_000
    own = OutputSettings(match_source=True)
    found, note = matched(own, source, PLACE)
    assert (found.codec, found.bitrate, note) == ("h264", rate, None)
    chosen = OutputSettings(match_source=True, codec="hevc", quality=50)
    assert matched(chosen, source, PLACE) == (chosen, None)
    assert matched(OutputSettings(), source, PLACE) == (OutputSettings(), None)
    plan = make_plan(source, SPEECH, tmp_path / "o.mkv", Settings(avatar=AS_IT_IS, output=own))
    assert (plan.encoder.codec, plan.encoder.options["b"]) == ("libx264", str(rate))


@pytest.mark.parametrize(
    ("profile", "pix_fmt", "made"),
    [
        ("proxy", "yuv422p10le", {"quality": 0, "pix_fmt": None}),
        ("4444", "yuv444p10le", {"quality": 70, "pix_fmt": "yuv444p10le"}),
    ],
)
def test_prores_keeps_its_profile(
    tmp_path: Path, profile: str, pix_fmt: str, made: dict[str, Any]
) -> None:
    source = _video(tmp_path / "a.mov", "prores_ks", pix_fmt, profile=profile)
    found, _ = matched(OutputSettings(match_source=True), source, PLACE)
    assert (found.codec, found.bitrate) == ("prores", None)
    assert {name: getattr(found, name) for name in made} == made


def test_what_there_is_no_codec_of_is_a_warning(tmp_path: Path) -> None:
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "a.png")
    old = _video(tmp_path / "old.mp4", "mpeg4", "yuv420p")
    own = OutputSettings(match_source=True)
    for source, said in ((tmp_path / "a.png", "is no video file"), (old, "not encoded as mpeg4")):
        found, note = matched(own, source, PLACE)
        assert found == replace(own, codec="libx264", bitrate=found.bitrate)
        assert said in str(note)
    events: list[Event] = []
    settings = Settings(avatar=AS_IT_IS, output=own)
    plan = make_plan(old, SPEECH, tmp_path / "o.mp4", settings, on_event=events.append)
    assert plan.encoder.codec == "libx264"
    warnings = [event.message for event in events if isinstance(event, WarningEvent)]
    assert any("--match-source leaves the codec" in warning for warning in warnings)


def test_a_codec_that_loses_bits_here_is_left_open(tmp_path: Path) -> None:
    own = OutputSettings(match_source=True)
    for codec, kept in (("libx264", None), ("libx265", "hevc")):
        source = _video(tmp_path / "a.mkv", codec, "yuv420p10le", preset="ultrafast")
        assert matched(own, source, PLACE)[0].codec == kept
    settings = Settings(avatar=AS_IT_IS, output=own)
    plan = make_plan(source, SPEECH, tmp_path / "o.mp4", settings)
    assert (plan.encoder.codec, plan.encoder.pix_fmt) == ("libx265", "yuv420p10le")


def test_a_codec_that_the_file_does_not_take_is_no_silent_other_one(tmp_path: Path) -> None:
    source = _video(tmp_path / "a.webm", "libvpx-vp9", "yuv420p", **FAST)
    settings = Settings(avatar=AS_IT_IS, output=OutputSettings(match_source=True))
    with pytest.raises(EncoderError, match="vp9 video does not go into mp4") as raised:
        make_plan(source, SPEECH, tmp_path / "o.mp4", settings)
    assert "vp9 goes into .webm or .mkv" in str(raised.value.hint)


def test_a_machine_without_the_plans_encoder_fails_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if available_encoders.probe("h264_nvenc").opens:
        pytest.skip("the hardware is here")
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "a.png")
    settings = Settings(
        avatar=AS_IT_IS,
        output=OutputSettings(codec="auto"),
        server=ServerSettings(url="http://localhost:9"),
    )
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(codec_choice, "opens_here", "h264_nvenc".__eq__)
        elsewhere.setattr(encoder_selection, "try_encoder", lambda *_: None)
        path, plan = write_plan(
            *(tmp_path / "a.png", SPEECH, tmp_path / "o.mp4", settings), on_event=lambda _: None
        )
    assert plan.encoder.codec == "h264_nvenc"
    with pytest.raises(EncoderError, match="does not open for 128x128") as raised:
        asyncio.run(render_segments(path, SegmentChoice(), settings, on_event=lambda _: None))
    assert raised.value.where == "h264_nvenc"
