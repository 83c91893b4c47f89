"""Levels that are warned of, against those that the encoders write."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from musetalk_fast import Settings
from musetalk_fast.config import AvatarSettings, OutputSettings
from musetalk_fast.events import Event, WarningEvent
from musetalk_fast.planning import make_plan
from musetalk_fast.types import BT709
from musetalk_fast.video.codec_levels import level_warning
from musetalk_fast.video.encoder_settings import EncoderSettings

DATA = Path(__file__).parents[1] / "data"
X265 = {"x265-params": "log-level=none:info=0"}


def _settings(codec: str, preset: str = "veryfast") -> EncoderSettings:
    more = X265 if codec == "libx265" else {}
    return EncoderSettings(codec, "mp4", "yuv420p", {"preset": preset, **more}, 250, 1)


def _written(settings: EncoderSettings, width: int, height: int, fps: Fraction) -> float:
    """The level in the encoder's header."""
    context = av.CodecContext.create(settings.codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    settings.configure(context, width, height, fps, BT709)
    context.flags |= av.codec.context.Flags.global_header
    context.open()
    header = bytes(context.extradata or b"").replace(b"\0\0\3", b"\0\0")
    if settings.codec == "libx264":
        return header[header.index(b"\0\0\1\x67") + 6] / 10
    return header[header.index(b"\0\0\1\x42\1") + 17] / 30


@pytest.mark.parametrize(
    ("codec", "preset", "size", "fps"),
    [
        ("libx264", "veryfast", (4032, 3024), 25),
        ("libx264", "veryfast", (4096, 2304), 25),
        ("libx264", "veryfast", (4096, 2306), 25),
        ("libx264", "veryfast", (3840, 2160), 60),
        ("libx264", "veryfast", (3840, 2160), 65),
        ("libx264", "slow", (3840, 2160), 25),
        ("libx264", "slower", (3840, 2160), 25),
        ("libx264", "veryslow", (1920, 1080), 25),
        ("libx264", "veryslow", (2048, 1536), 25),
        ("libx265", "veryfast", (4096, 2176), 25),
        ("libx265", "veryfast", (4096, 2184), 25),
        ("libx265", "veryfast", (3840, 2160), 130),
        ("libx265", "veryfast", (3024, 4032), 25),
    ],
)
def test_what_phones_do_not_play(codec: str, preset: str, size: tuple[int, int], fps: int) -> None:
    settings, rate = _settings(codec, preset), Fraction(fps)
    note, level = level_warning(settings, *size, rate), _written(settings, *size, rate)
    assert (note is not None) == (level > 5.2)
    if note is None:
        return
    assert f" level {level:.1f}," in note
    width, height = size
    if way := re.search(r"--resolution (\d+)x(\d+)", note):
        width, height = map(int, way.groups())
        assert width / height == pytest.approx(size[0] / size[1], rel=0.002)
    else:
        assert "--preset medium" in note
        settings = _settings(codec, "medium")
    assert 5.0 <= _written(settings, width, height, rate) <= 5.2
    assert level_warning(settings, width, height, rate) is None


@pytest.mark.parametrize("codec", ["libsvtav1", "libvpx-vp9", "av1_nvenc", "vp9_qsv", "hevc_amf"])
def test_the_siblings(codec: str) -> None:
    settings = _settings(codec)
    assert level_warning(settings, 3840, 2160, Fraction(60)) is None
    assert "level 6.0" in (level_warning(settings, 4032, 3024, Fraction(25)) or "")
    tall = level_warning(settings, 2000, 4400, Fraction(25))
    assert (tall is not None) == (settings.codec in ("libsvtav1", "av1_nvenc"))


def test_a_plan_scales_down_once_or_says_it(tmp_path: Path) -> None:
    Image.new("RGB", (4032, 3024), "grey").save(tmp_path / "large.jpg")
    events: list[Event] = []
    settings = Settings(avatar=AvatarSettings(face_check=False))
    inputs = (tmp_path / "large.jpg", DATA / "short.wav", tmp_path / "out.mp4")
    plan = make_plan(*inputs, settings, on_event=events.append)
    (warning,) = [event for event in events if isinstance(event, WarningEvent)]
    assert (warning.token, plan.width, plan.height) == ("MTF-SIZE", 3536, 2652)
    assert "of 4032x3024 is scaled down to 3536x2652: phones" in warning.message
    events.clear()
    settings = replace(settings, output=OutputSettings(resolution="source"))
    plan = make_plan(*inputs, settings, on_event=events.append)
    (warning,) = [event for event in events if isinstance(event, WarningEvent)]
    assert (warning.token, plan.width, plan.height) == ("MTF-LEVEL", 4032, 3024)
    assert warning.message.startswith("4032x3024 at 25 fps is H.264 level 6.0, which phones")
    assert "--resolution 3536x2652" in warning.message
