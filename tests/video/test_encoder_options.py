"""Choices about encoders: what each takes, what it makes of it, what excludes what."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numbered_video import luma_of

from musetalk_fast.config import OutputSettings
from musetalk_fast.config.number_kinds import Integer, Number
from musetalk_fast.config.text_kinds import Word
from musetalk_fast.config.value_kind import Kind
from musetalk_fast.errors import EncoderError, UsageError
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.types import BT709
from musetalk_fast.video import available_encoders, codec_choice, encoder_selection
from musetalk_fast.video.codec import DEFAULT_QUALITY, Codec
from musetalk_fast.video.codec_levels import profile_warning
from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.containers import CONTAINERS
from musetalk_fast.video.device_reasons import explained
from musetalk_fast.video.encoder_options import has_alpha
from musetalk_fast.video.encoder_probe import try_encoder
from musetalk_fast.video.encoder_selection import check_choices_for, resolve, resolve_again
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.still_rows import band_settings
from musetalk_fast.video.thread_priority import keeping_thread_priority

FPS = Fraction(25)
SOFTWARE = [name for name, codec in CODECS.items() if codec.in_software]
SIZE = (64, 64)


def _resolve(name: str = "o.mp4", source: str | None = None, **settings: Any) -> EncoderSettings:
    return resolve(OutputSettings(**settings), Path(name), *SIZE, FPS, BT709, source=source)


def _choices(codec: Codec) -> Iterator[dict[str, Any]]:
    """One choice at a time."""
    yield from ({"tune": tune} for tune in codec.tunes)
    yield from ({"pix_fmt": each} for each in codec.pix_fmts if not has_alpha(each))
    if codec.bitrate is not None:
        yield {"bitrate": 400_000}
    if codec.lossless is not None:
        yield {"lossless": True}
    if codec.has_quality:
        yield from ({"quality": quality} for quality in (0, 50, 100))
    for name, kind in codec.extras.items():
        yield from ({"encoder_option": [f"{name}={_values(kind)[end]}"]} for end in (0, -1))


def _values(kind: Kind) -> tuple[str, ...]:
    if isinstance(kind, Word):
        return kind.choices
    if isinstance(kind, Number):
        return f"{kind.low:g}", f"{kind.high:g}"
    if isinstance(kind, Integer):
        low, _, high = kind.wanted.rpartition("from ")[2].partition(" to ")
        return low, high
    return "-1:-1", "2:-6"


def _left_over(settings: EncoderSettings) -> list[str]:
    """What an encoder does not know, or complains of."""
    context = av.CodecContext.create(settings.codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    settings.configure(context, *SIZE, FPS, BT709)
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as lines, keeping_thread_priority(settings.codec):
            context.open()
    finally:
        av.logging.set_level(before)
    said = [text for _, _, text in lines if "nknown" in text or "rror" in text]
    return [*context.options, *said]


@pytest.mark.parametrize("name", SOFTWARE)
def test_every_choice_opens_and_leaves_nothing_over(name: str) -> None:
    for choice in _choices(CODECS[name]):
        settings = _resolve("o.mkv", codec=name, **choice)
        assert _left_over(settings) == [], choice
        assert resolve_again(settings, FPS) == settings, choice


def test_an_option_that_an_encoder_does_not_know_is_left_over() -> None:
    """Else the test above would show nothing."""
    for codec, options in (
        ("libx264", {"nothing": "1"}),
        ("libx265", {"x265-params": "nothing=1"}),
        ("libsvtav1", {"svtav1-params": "nothing=1"}),
    ):
        with contextlib.suppress(av.FFmpegError):  # SVT-AV1 does not open
            assert _left_over(EncoderSettings(codec, "mkv", "yuv420p", options, 250, 1))


@pytest.mark.parametrize("name", [n for n in CODECS if n in av.codecs_available])
def test_every_option_has_a_name_that_ffmpeg_knows_and_no_value_is_a_file(name: str) -> None:
    codec = CODECS[name]
    found = av.CodecContext.create(name, "w").supported_options
    known = {option.name for option in (*found.generic, *found.private)}
    names = {*([] if codec.params else codec.extras), codec.params, codec.quality, codec.preset}
    for options in (codec.options, codec.constant, codec.bitrate or (), codec.lossless or ()):
        names |= {each for each, _ in options}
    names |= {each for options in codec.tunes.values() for each, _ in options}
    assert names - {""} <= known
    assert not {each for each in codec.extras if "stats" in each or "logfile" in each}
    for kind in codec.extras.values():
        for hostile in ("/tmp/x", "1:stats=/tmp/x", "1,x", ""):
            with pytest.raises(ValueError, match="must be"):
                kind.parse(hostile)


@pytest.mark.parametrize("name", CODECS)
def test_the_scale_of_quality_goes_one_way_and_has_the_default_at_70(name: str) -> None:
    codec = CODECS[name]
    values = [codec.own_quality(quality) for quality in range(101)]
    rises = codec.scale[0] < codec.scale[-1]
    assert values == sorted(values, reverse=not rises)
    assert codec.lowest <= min(values) <= max(values) <= codec.highest
    assert values[DEFAULT_QUALITY] == codec.default


def test_quality_by_name_number_and_rate() -> None:
    assert _resolve(quality=70).options["crf"] == _resolve().options["crf"] == "20"
    assert _resolve(quality=0).options["crf"] == "41"
    assert _resolve("o.webm", quality=100).options["crf"] == "14"
    assert _resolve(bitrate=400_000).options == {
        "b": "400000",
        "maxrate": "600000",
        "bufsize": "800000",
        "preset": "veryfast",
        "x264-params": "cpu-independent=1",
    }
    prores = {q: _resolve("o.mov", codec="prores", quality=q) for q in (0, 30, 50, 70, 100)}
    profiles = [each.options["profile"] for each in prores.values()]
    assert profiles == ["proxy", "lt", "standard", "hq", "hq"]
    assert _resolve("o.mov", codec="prores", pix_fmt="yuv444p10le").options["profile"] == "4444"


@pytest.mark.parametrize(
    ("name", "choice", "said", "hint"),
    [
        ("o.mp4", {"tune": "nosuch"}, "it has no --tune nosuch", "it has film, "),
        ("o.mp4", {"pix_fmt": "yuva420p"}, "does not take --pix-fmt yuva420p", "it takes yuv420p"),
        ("o.mp4", {"pix_fmt": "nosuch"}, "does not take --pix-fmt nosuch", "it takes yuv420p"),
        ("o.mp4", {"encoder_option": ["stats=/tmp/x"]}, "no --encoder-option stats", "takes prof"),
        ("o.mp4", {"encoder_option": ["refs=17"]}, "refs must be an integer from 1 to 16", "leave"),
        ("o.mp4", {"encoder_option": ["refs"]}, "refs must be an integer", "leave it out"),
        ("o.mov", {"codec": "prores", "crf": 3}, "it has no --crf", "it has --quality"),
        ("o.mov", {"codec": "prores", "bitrate": 10**6}, "it has no --bitrate", "it has --quality"),
        ("o.mov", {"codec": "prores", "lossless": True}, "it has no --lossless", "--codec ffv1"),
        ("o.mov", {"codec": "prores", "preset": "slow"}, "it has no --preset", "leave it out"),
        ("o.mov", {"codec": "prores", "gop": 5}, "it has no --gop 5", "every picture is a key"),
        ("o.mkv", {"codec": "ffv1", "quality": 5}, "it has no --quality", "it loses nothing"),
        ("o.mkv", {"codec": "h264_vaapi"}, "PyAV's wheels is built without VAAPI", "mkv takes"),
        (
            "o.webm",
            {"codec": "h264"},
            "does not go into webm",
            "h264 goes into .mp4 or",
        ),
    ],
)
def test_what_an_encoder_does_not_have_is_refused_before_anything_is_read(
    name: str, choice: dict[str, Any], said: str, hint: str
) -> None:
    with pytest.raises(EncoderError, match=said) as raised:
        check_choices_for(OutputSettings(**choice), Path(name))
    assert hint in str(raised.value.hint)
    with pytest.raises(EncoderError, match=said):
        _resolve(name, **choice)


def test_choices_that_exclude_each_other() -> None:
    choices: tuple[dict[str, Any], ...] = (
        {"quality": 5, "crf": 20},
        {"crf": 20, "bitrate": 10**6},
        {"bitrate": 10**6, "lossless": True},
        {"encoder_option": ["refs=1", "refs=2"]},
    )
    for choice in choices:
        with pytest.raises(UsageError, match=r"exclude each other|is there twice"):
            _resolve(**choice)


@pytest.mark.parametrize("name", [n for n in SOFTWARE if CODECS[n].lossless is not None])
def test_lossless_means_that(name: str) -> None:
    settings = _resolve("o.mkv", codec=name, lossless=True)
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.VideoCodecContext)
    settings.configure(context, *SIZE, FPS, BT709)
    with keeping_thread_priority(name):
        context.open()
    given = [_noise(settings.pix_fmt, seed) for seed in range(3)]
    packets = [packet for frame in [*given, None] for packet in context.encode(frame)]
    made = context.codec.canonical_name
    decoder = av.CodecContext.create({"av1": "libdav1d"}.get(made, made), "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.width, decoder.height, decoder.pix_fmt = *SIZE, settings.pix_fmt
    decoder.extradata = context.extradata
    shown = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    assert len(shown) == len(given)
    for one, other in zip(shown, given, strict=True):
        assert np.array_equal(luma_of(one), luma_of(other))


def _noise(pix_fmt: str, seed: int) -> av.VideoFrame:
    frame, rng = av.VideoFrame(*SIZE, pix_fmt), np.random.default_rng(seed)
    for plane in frame.planes:
        plane.update(rng.integers(16, 235, plane.buffer_size, dtype=np.uint8).tobytes())
    frame.pts = seed
    return frame


def test_what_loses_nothing_keeps_the_avatars_layout() -> None:
    layouts = {"yuv420p": "yuv420p", "yuv422p10le": "yuv422p10le", "rgb24": "yuv444p"}
    layouts |= {"yuv410p": "yuv444p", "rgba": "yuv444p"}
    for source, kept in layouts.items():
        assert _resolve("o.mkv", source, codec="ffv1").pix_fmt == kept
        assert _resolve("o.mkv", source).pix_fmt == "yuv420p"


def test_alpha_and_the_pixel_format() -> None:
    place, size = Path("o.mkv"), (*SIZE, FPS, BT709)
    plain = OutputSettings(codec="ffv1", pix_fmt="yuv420p")
    assert not codec_choice.keeps_alpha(plain, place)
    with pytest.raises(EncoderError, match="yuv420p has no alpha, and transparent parts are to"):
        resolve(plain, place, *size, alpha=True)
    clear = OutputSettings(codec="ffv1", pix_fmt="yuva420p")
    assert resolve(clear, place, *size, alpha=True).pix_fmt == "yuva420p"
    with pytest.raises(EncoderError, match="yuva420p has alpha, and the avatar has no transp"):
        resolve(clear, place, *size)


def test_only_what_was_measured_is_encoded_as_a_band() -> None:
    for name in ("o.mp4", "o.m4v", "o.mov", "o.mkv"):
        assert band_settings(_resolve(name)) is not None
        assert band_settings(_resolve(name, quality=70, gop=100)) is not None
    choices: tuple[dict[str, Any], ...] = (
        *({"bitrate": 10**6}, {"lossless": True}, {"tune": "film"}, {"pix_fmt": "yuv444p"}),
        *({"encoder_option": ["refs=2"]}, {"gop": 10}, {"quality": 0}, {"pix_fmt": "nv12"}),
    )
    for choice in choices:
        assert band_settings(_resolve(**choice)) is None, choice


def test_profiles_that_phones_do_not_play() -> None:
    assert profile_warning(_resolve()) is None
    assert profile_warning(_resolve(codec="hevc", pix_fmt="yuv420p10le")) is None
    assert profile_warning(_resolve("o.mov", codec="prores")) is None
    for choice in ({"pix_fmt": "yuv444p"}, {"pix_fmt": "yuv420p10le"}, {"lossless": True}):
        assert "phones and many televisions do not" in str(profile_warning(_resolve(**choice)))


NVENC = {
    "cq": "23",
    "rc": "vbr",
    "b": "0",
    "preset": "p4",
    "tune": "hq",
    "bf": "2",
    "b_ref_mode": "disabled",
    "forced-idr": "1",
    "no-scenecut": "1",
    "strict_gop": "1",
    "delay": "4",
}


def test_options_of_encoders_in_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as it goes without the hardware."""
    monkeypatch.setattr(encoder_selection, "try_encoder", lambda *_: None)
    nvenc = _resolve(codec="h264_nvenc")
    assert (nvenc.options, nvenc.pix_fmt, nvenc.gop) == (NVENC, "yuv420p", 250)
    rated = _resolve(codec="h264_nvenc", bitrate=10**6, encoder_option=["gpu=1"]).options
    changed = {"b": "1000000", "maxrate": "1500000", "bufsize": "2000000", "gpu": "1"}
    assert rated == {name: value for name, value in NVENC.items() if name != "cq"} | changed
    lossless = _resolve(codec="hevc_nvenc", lossless=True).options
    assert (lossless["tune"], lossless["rc"], lossless["qp"]) == ("lossless", "constqp", "0")
    assert _resolve(codec="hevc_nvenc", pix_fmt="nv12").pix_fmt == "nv12"
    assert _resolve("o.mkv", codec="av1_qsv", quality=70).options["global_quality"] == "28"
    amf = _resolve(codec="h264_amf").options
    assert (amf["rc"], amf["qvbr_quality_level"], amf["quality"]) == ("qvbr", "23", "balanced")
    apple = _resolve("o.mov", codec="hevc_videotoolbox").options
    assert (apple["flags"], apple["global_quality"]) == ("+qscale", str(65 * 118))
    assert {each.bit_depth for each in (nvenc, _resolve(codec="hevc_qsv"))} == {8}
    for codec in CODECS.values():
        assert set(codec.pix_fmts) <= set(LAYOUTS), "what the compositor makes, without a copy"


def test_auto_takes_the_first_in_hardware_that_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_selection, "try_encoder", lambda *_: None)
    for name, opening, taken in (
        *(("o.mp4", {"h264_qsv", "h264_amf"}, "h264_qsv"), ("o.mp4", {"hevc_nvenc"}, "libx264")),
        *(("o.webm", {"vp9_qsv"}, "vp9_qsv"), ("o.webm", set(), "libvpx-vp9")),
    ):
        monkeypatch.setattr(codec_choice, "opens_here", opening.__contains__)
        assert _resolve(name, codec="auto").codec == taken


@pytest.mark.parametrize(
    ("codec", "reason", "said", "way_out"),
    [
        ("h264_nvenc", "Cannot load libcuda.so.1", "no NVIDIA driver", "--codec h264 encodes"),
        ("av1_nvenc", "Cannot load libnvidia-encode.so.1", "without its encoder", "NVIDIA_DRIVER_"),
        ("h264_nvenc", "No capable devices found", "no GPU here has NVENC", "that has it"),
        ("hevc_nvenc", "OpenEncodeSessionEx failed: out of memory (10)", "no more", "end other"),
        ("hevc_qsv", "Error creating a MFX session: -9.", "no Intel GPU", "--codec hevc encodes"),
        ("h264_amf", "DLL libamfrt64.so.1 failed to open", "no AMD GPU", "AMD's driver"),
    ],
)
def test_what_keeps_hardware_from_opening(codec: str, reason: str, said: str, way_out: str) -> None:
    message, hint = explained(codec, reason)
    assert said in message
    assert reason in message
    assert way_out in str(hint)
    assert explained("libx264", reason) == (reason, None)


def test_without_a_driver_nvenc_speaks_of_no_permission() -> None:
    if available_encoders.probe("h264_nvenc").opens:
        pytest.skip("the hardware is here")
    for _ in range(2):  # FFmpeg's log is silent of what it has said before
        with pytest.raises(EncoderError) as raised:
            _resolve(codec="h264_nvenc")
        assert "permi" not in f"{raised.value.message} {raised.value.hint}".lower()


def test_a_part_that_hardware_does_not_begin_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one session too many in the middle of a render."""
    if available_encoders.probe("h264_nvenc").opens:
        pytest.skip("the hardware is here")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(encoder_selection, "try_encoder", lambda *_: None)
        settings = _resolve(codec="h264_nvenc")
    part = PartEncoder(tmp_path / "0.mp4", settings, *SIZE, FPS, BT709, 0, "label")
    with pytest.raises(EncoderError, match="there is no NVIDIA driver here"):
        part.encode(_noise("yuv420p", 0))
    part.abort()


def test_what_is_on_another_system_only_says_so() -> None:
    settings = EncoderSettings("h264_videotoolbox", "mp4", "nv12", {}, 250, 1)
    if "h264_videotoolbox" not in av.codecs_available:
        with pytest.raises(EncoderError, match="on macOS only"):
            try_encoder(settings, *SIZE, FPS, BT709)


def test_every_container_names_a_family_that_there_is() -> None:
    families = {codec.family for codec in CODECS.values()}
    assert {family for known in CONTAINERS.values() for family in known.families} == families
