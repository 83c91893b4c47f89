from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from musetalk_fast.config import OutputSettings
from musetalk_fast.errors import EncoderError, OutputFormatError
from musetalk_fast.types import BT709, PRESETS, Container
from musetalk_fast.video.available_encoders import probe_all
from musetalk_fast.video.codec_table import CODECS, FAMILIES
from musetalk_fast.video.containers import CONTAINERS, container_of
from musetalk_fast.video.encoder_probe import try_encoder
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.thread_priority import keeping_thread_priority
from musetalk_fast.wire.records import record_identity

FPS = Fraction(25)
CPU_INDEPENDENT = {"x264-params": "cpu-independent=1"}
SOFTWARE = ["libx264", "libx265", "libvpx-vp9", "libsvtav1"]


def _resolve(name: str = "out.mp4", **settings: object) -> EncoderSettings:
    return resolve(OutputSettings(**settings), Path(name), 128, 96, FPS, BT709)  # type: ignore[arg-type]


def test_defaults_are_those_of_the_design() -> None:
    settings = _resolve()
    assert (settings.codec, settings.pix_fmt, settings.format) == ("libx264", "yuv420p", "mp4")
    assert settings.options == {"crf": "20", "preset": "veryfast", **CPU_INDEPENDENT}
    assert settings.gop == 250
    assert settings.part_suffix == ".mp4"


def test_webm_gets_vp9_in_matroska_parts() -> None:
    settings = _resolve("out.webm")
    assert (settings.codec, settings.format) == ("libvpx-vp9", "webm")
    assert (settings.part_suffix, settings.part_muxer) == (".mkv", "matroska")
    assert settings.options["b"] == "0"  # else VP9 takes crf for a ceiling of a bit rate


def test_key_frames_are_ten_seconds_apart_at_any_rate() -> None:
    settings = resolve(OutputSettings(), Path("o.mp4"), 128, 96, Fraction(60000, 1001), BT709)
    assert settings.gop == 599


@pytest.mark.parametrize(
    ("name", "asked", "wanted"),
    [
        ("a.mp4", None, "mp4"),
        ("a.MP4", None, "mp4"),
        ("a.m4v", None, "mp4"),
        ("a.mov", None, "mov"),
        ("a.MKV", None, "mkv"),
        ("a.webm", None, "webm"),
        ("a.webm", "mp4", "mp4"),
        ("a", "webm", "webm"),
    ],
)
def test_the_format_is_asked_for_or_in_the_name(name: str, asked: str | None, wanted: str) -> None:
    assert container_of(Path(name), asked).name == wanted


@pytest.mark.parametrize(("name", "asked"), [("a.avi", None), ("mp4", None), ("a.mp4", "avi")])
def test_unknown_formats_are_refused_by_naming_the_known(name: str, asked: str | None) -> None:
    with pytest.raises(OutputFormatError) as raised:
        container_of(Path(name), asked)
    assert all(known in raised.value.message for known in CONTAINERS)


def test_every_container_is_described() -> None:
    assert [*CONTAINERS] == [*Container]
    for known in CONTAINERS.values():
        assert CODECS[known.encoder].family in known.families


@pytest.mark.parametrize("codec", CODECS.values(), ids=lambda codec: codec.name)
def test_every_encoder_is_described_completely(codec: object) -> None:
    assert isinstance(codec, type(CODECS["libx264"]))
    assert len(codec.presets) == (len(PRESETS) if codec.preset else 0)
    assert codec.default_preset in PRESETS
    assert codec.lowest <= codec.default <= codec.highest
    assert any(codec.family in known.families for known in CONTAINERS.values())


@pytest.mark.parametrize("codec", SOFTWARE)
def test_every_option_is_one_the_encoder_knows(codec: str) -> None:
    for preset in PRESETS:
        settings = _resolve("o.mkv", codec=codec, preset=preset)
        context = av.CodecContext.create(codec, "w")
        assert isinstance(context, av.VideoCodecContext)
        settings.configure(context, 128, 96, FPS, BT709)
        with keeping_thread_priority(codec):
            context.open()
        assert context.options == {}, "left over: unknown"
        # Slices, PyAV's default, would cost quality.
        assert context.thread_type.name == "FRAME"
        assert context.thread_count == settings.threads


@pytest.mark.parametrize("codec", CODECS)
def test_quality_is_bounded_for_each_encoder(codec: str) -> None:
    known = CODECS[codec]
    name = "o.mkv"
    for crf in (known.lowest - 1, known.highest + 1):
        if known.quality and 0 <= crf <= 63:
            with pytest.raises(EncoderError, match=rf"{known.lowest} to {known.highest}") as raised:
                _resolve(name, codec=codec, crf=crf)
            assert str(known.default) in (raised.value.hint or "")


def test_quality_and_preset_reach_the_encoder() -> None:
    assert _resolve(crf=33, preset="slow").options == {
        "crf": "33",
        "preset": "slow",
        **CPU_INDEPENDENT,
    }
    vp9 = _resolve("o.webm", crf=40, preset="medium").options
    assert (vp9["crf"], vp9["cpu-used"]) == ("40", "2")


def test_a_container_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(EncoderError, match="h264 video does not go into webm") as raised:
        _resolve("o.webm", codec="libx264")
    assert "libvpx-vp9" in (raised.value.hint or "")


def test_an_unknown_encoder_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EncoderError, match="no encoder of this name") as raised:
        _resolve(codec="libx262")
    assert "libx264" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("family", "name", "encoder"),
    [
        *(("h264", "o.mp4", "libx264"), ("hevc", "o.mp4", "libx265"), ("h265", "o.mp4", "libx265")),
        *(("vp9", "o.webm", "libvpx-vp9"), ("av1", "o.mp4", "libsvtav1")),
        ("av1", "o.webm", "libsvtav1"),
    ],
)
def test_the_name_of_a_family_means_its_library(family: str, name: str, encoder: str) -> None:
    assert _resolve(name, codec=family) == _resolve(name, codec=encoder)
    assert CODECS[FAMILIES[family]].family == ("hevc" if family == "h265" else family)


def test_a_container_refuses_a_family_and_names_those_it_takes() -> None:
    with pytest.raises(EncoderError, match="h264 video does not go into webm") as raised:
        _resolve("o.webm", codec="h264")
    assert "webm takes vp9, av1, or one of libvpx-vp9, " in (raised.value.hint or "")


@pytest.mark.parametrize("size", [(129, 96), (128, 97)])
def test_odd_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(EncoderError, match="even") as raised:
        resolve(OutputSettings(), Path("o.mp4"), *size, FPS, BT709)
    assert "--resolution" in (raised.value.hint or "")


def test_an_encoder_outside_the_build_says_so() -> None:
    settings = EncoderSettings("libnone", "mp4", "yuv420p", {}, 250, 1)
    with pytest.raises(EncoderError, match="not in this build of FFmpeg") as raised:
        try_encoder(settings, 128, 96, FPS, BT709)
    assert "doctor" in (raised.value.hint or "")


def test_a_size_beyond_the_encoder_is_reported_in_its_own_words() -> None:
    with pytest.raises(EncoderError, match=r"20000x20000.*: .+") as raised:
        resolve(OutputSettings(), Path("o.mp4"), 20000, 20000, FPS, BT709)
    assert raised.value.where == "libx264"


def test_doctor_learns_what_opens_and_why_others_do_not() -> None:
    probes = {probe.codec: probe for probe in probe_all()}
    assert list(probes) == list(CODECS)
    assert probes["libx264"].opens
    assert probes["libvpx-vp9"].opens
    for probe in probes.values():
        assert probe.opens == (probe.reason is None)
        assert probe.reason != ""


def test_missing_hardware_is_reported_honestly() -> None:
    absent = [probe for probe in probe_all() if not probe.opens]
    if not absent:
        pytest.skip("every encoder opens here")
    with pytest.raises(EncoderError) as raised:
        resolve(OutputSettings(codec=absent[0].codec), Path("o.mkv"), 256, 256, FPS, BT709)
    assert (absent[0].reason or "?") in raised.value.message
    assert av.logging.get_level() == av.logging.PANIC, "FFmpeg's log is silent again"


def test_threads_are_pinned_but_no_part_of_the_identity() -> None:
    settings = _resolve()
    identity = record_identity(settings)
    assert settings.threads == 1
    assert record_identity(replace(settings, threads=4)) == identity
    assert "threads" not in identity
    assert identity == record_identity(_resolve())
    assert identity != record_identity(_resolve(crf=21))
