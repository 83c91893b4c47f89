"""Each kind of value: what it reads, what it refuses, and that it says why."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musetalk_fast import errors
from musetalk_fast.config import (
    AvatarSettings,
    OutputSettings,
    ProcessingSettings,
    ServerSettings,
    SettingValue,
)
from musetalk_fast.config.number_kinds import BitRate, Integer, Number, Rate, Seconds
from musetalk_fast.config.pixel_kinds import Numbers, Size
from musetalk_fast.config.settings import SECTIONS, kinds
from musetalk_fast.config.text_kinds import FileName, Pattern, Switch, Text, Texts, Track, Word
from musetalk_fast.config.value_kind import Kind
from musetalk_fast.types import Box, CropEncoding, Fit, Scaling


def _kind(name: str) -> Kind:
    section, key = name.split(".")
    return kinds(SECTIONS[section])[key]


READ = [
    ("output.fps", "25", Fraction(25)),
    ("output.fps", "30000/1001", Fraction(30000, 1001)),
    ("output.fps", "29.97", Fraction(30000, 1001)),
    ("output.fps", "23.976", Fraction(24000, 1001)),
    ("output.fps", "23.98", Fraction(24000, 1001)),
    ("output.fps", "59.94", Fraction(60000, 1001)),
    ("output.fps", "12.5", Fraction(25, 2)),
    ("output.fps", "30.0", Fraction(30)),
    ("output.fps", "1", Fraction(1)),
    ("output.fps", "240", Fraction(240)),
    ("output.resolution", "1280x720", (1280, 720)),
    ("output.resolution", "64X8192", (64, 8192)),
    ("output.resolution", "1920x-2", (1920, -2)),
    ("output.resolution", "-2x1080", (-2, 1080)),
    ("output.resolution", "source", "source"),
    ("output.fit", "crop", Fit.CROP),
    ("output.max_side", "64", 64),
    ("output.crf", "0", 0),
    ("output.crf", "63", 63),
    ("output.format", "webm", "webm"),
    ("output.preset", "veryfast", "veryfast"),
    ("output.scaling", "lanczos", Scaling.LANCZOS),
    ("output.match_colour", "yes", True),
    ("output.match_source", "yes", True),
    ("output.sound", "none", "none"),
    ("output.overwrite", "no", False),
    ("avatar.face_check", "TRUE", True),
    ("avatar.face", "3", "3"),
    ("avatar.face", "left", "left"),
    ("avatar.face_box", "-5,10,200,300", Box(-5, 10, 200, 300)),
    ("avatar.face_center", "10,20", (10, 20)),
    ("avatar.bbox_shift", "-100", -100),
    ("avatar.extra_margin", "0", 0),
    ("avatar.background", "#aabbcc", "#aabbcc"),
    ("avatar.background", " a\u202fb\u3000.png ", " a\u202fb\u3000.png "),
    ("output.mix_background", "\u00a0x.mp3", "\u00a0x.mp3"),
    ("server.ca_file", "\U0001f469\u200d\U0001f467.pem", "\U0001f469\u200d\U0001f467.pem"),
    ("server.url", "unix:/run/m.sock", ("unix:/run/m.sock",)),
    ("server.url", "http://a, http://b,http://a", ("http://a", "http://b")),
    ("server.timeout_secs", "0.1", 0.1),
    ("server.timeout_secs", "3600", 3600.0),
    ("processing.segment_secs", "1", 1.0),
    ("processing.segment_secs", "600", 600.0),
    ("processing.frame_encoding", "jpeg", CropEncoding.JPEG),
]

REFUSED = [
    ("output.fps", ("0", "0.5", "241", "25fps", "1/0", "1e3", "nan", "", "-25", "1e999999999")),
    ("output.resolution", ("1280", "1280x721", "63x64", "62x64", "64x8194", "1280x720x3", "axb")),
    ("output.resolution", ("-2x-2", "-1x720", "-2x721", "sources")),
    ("output.fit", ("fill",)),
    ("output.max_side", ("63", "8193")),
    ("output.crf", ("-1", "64", "20.5", "high", "9" * 5000)),
    ("output.format", ("avi", "MP4", "")),
    ("output.preset", ("quick",)),
    ("output.scaling", ("nearest",)),
    ("output.sound", ("yes", "speech.wav")),
    ("output.overwrite", ("maybe",)),
    ("output.codec", ("", "x" * 41, "a\nb")),
    ("avatar.face", ("-1", "biggest", "99999")),
    ("avatar.face_box", ("1,2,3", "1,2,0,4", "1,2,3,-4", "1,2,3,100001", "1.5,2,3,4")),
    ("avatar.face_center", ("1", "1,2,3", "a,b", "100001,0")),
    ("avatar.bbox_shift", ("-101", "101")),
    ("avatar.extra_margin", ("-1", "101")),
    ("avatar.background", ("", "x" * 1001, "a\nb")),
    ("output.mix_background", ("", "x" * 1001, "a\nb", "a\0", "\x7f", "\x85", "\u2028", "\u2029")),
    ("output.mix_background", ("\udcff", "a\x1b[31m")),
    (
        "server.url",
        ("", ",", "http://a,", "x" * 501, "http://a\x1b[31m", ",".join(map(str, range(65)))),
    ),
    ("server.timeout_secs", ("0", "3601", "nan", "inf", "soon")),
    ("processing.segment_secs", ("0.5", "601")),
    ("processing.frame_encoding", ("webp",)),
]


@pytest.mark.parametrize(("name", "text", "value"), READ)
def test_text_is_read(name: str, text: str, value: object) -> None:
    read = _kind(name).parse(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in REFUSED for text in texts]
)
def test_refusals_hold_the_limit_and_the_value(name: str, text: str) -> None:
    kind = _kind(name)
    with pytest.raises(ValueError, match="must be ") as caught:
        kind.parse(text)
    assert kind.wanted in str(caught.value)
    assert repr(text)[:20] in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(("name", "text", "value"), READ)
def test_what_is_written_reads_back(name: str, text: str, value: object) -> None:
    kind = _kind(name)
    assert kind.parse(kind.write(value)) == value


@given(st.fractions(min_value=1, max_value=240, max_denominator=1001))
def test_every_rate_reads_back(rate: Fraction) -> None:
    kind = _kind("output.fps")
    assert kind.parse(kind.write(rate)) == rate


SPACES = "\u00a0\u202f\u3000"
LETTERS = st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" ,\"\\'#=\U0001f600")
TEXTS = st.text(LETTERS, min_size=1, max_size=9)


def _fractions(kind: Rate | Seconds) -> st.SearchStrategy[Fraction]:
    bounds = kind._low, kind._high
    decimals = st.decimals(*bounds, places=9).map(Fraction)
    return st.fractions(*bounds, max_denominator=(1 << 31) - 1) | decimals


VALUES = {
    Integer: lambda kind: st.integers(kind._low, kind._high),
    BitRate: lambda kind: st.integers(kind._low, kind._high),
    Number: lambda kind: st.floats(kind.low, kind.high),
    Rate: _fractions,
    Seconds: _fractions,
    Switch: lambda _: st.booleans(),
    Word: lambda kind: st.sampled_from(kind.choices),
    Texts: lambda _: st.lists(TEXTS, min_size=1, max_size=3),
    Text: lambda _: TEXTS.filter(lambda text: text == text.strip()),
    FileName: lambda _: st.text(LETTERS | st.sampled_from(SPACES), min_size=1, max_size=9),
    Pattern: lambda _: st.sampled_from(["film", "grain"]),
    Track: lambda _: st.sampled_from(["1", "999", "en", "eng-GB"]),
    Size: lambda _: st.sampled_from(["source", (64, -2), (1280, 720)]),
    Numbers: lambda kind: st.tuples(*[st.integers(1, 100_000)] * kind._count),
}
"""Values of the kinds in settings."""


SHOWN = {
    f"{section}.{key}": kind
    for section, settings_type in SECTIONS.items()
    for key, kind in kinds(settings_type).items()
    if not kind.secret
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_file_is_given_reads_back_from_it(name: str) -> None:
    kind = SHOWN[name]

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(VALUES[type(kind)](kind).filter(lambda value: _is_accepted(kind, value)))
    def check(given_value: object) -> None:
        value = kind.check(given_value)
        line = SettingValue("s", "k", kind, value, "default").assignment()
        assert kind.read(tomllib.loads(line)["k"]) == value

    check()


def _is_accepted(kind: Kind, value: object) -> bool:
    try:
        kind.check(value)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("avatar.background", "\U0001f600 \U00020bb7.png", 'k = "\U0001f600 \U00020bb7.png"'),
        ("processing.start", Fraction("359999.876543211"), 'k = "359999.876543211"'),
        ("processing.start", 0.00000123, 'k = "0.00000123"'),
        ("processing.start", Fraction(1, 3), 'k = "1/3"'),
        ("processing.start", 0, 'k = "0"'),
        ("processing.start", 360_000, 'k = "360000"'),
        ("processing.segment_secs", 33.3333336, "k = 33.3333336"),
        ("processing.segment_secs", 10.0, "k = 10"),
        ("output.encoder_option", ["x=1,2", "y=3"], 'k = ["x=1,2", "y=3"]'),
        ("server.url", "unix:/a", 'k = ["unix:/a"]'),
    ],
)
def test_a_line_of_a_file_is_exact(name: str, value: object, line: str) -> None:
    kind = _kind(name)
    assert SettingValue("s", "k", kind, kind.check(value), "flag").assignment() == line


def test_every_setting_has_a_kind_that_takes_its_default() -> None:
    for settings_type in SECTIONS.values():
        for item in fields(settings_type):
            if item.default is not None:
                assert item.metadata["kind"].check(item.default) == item.default


@pytest.mark.parametrize(
    "make",
    [
        lambda: OutputSettings(crf=64),
        lambda: OutputSettings(crf=True),
        lambda: OutputSettings(crf="20"),  # type: ignore[arg-type]
        lambda: OutputSettings(fps=Fraction(1000)),
        lambda: OutputSettings(resolution=(63, 64)),
        lambda: OutputSettings(sound=None),  # type: ignore[arg-type]
        lambda: AvatarSettings(bbox_shift=101),
        lambda: AvatarSettings(face_box=Box(0, 0, 0, 5)),
        lambda: ServerSettings(timeout_secs=0),
        lambda: ProcessingSettings(segment_secs=601),
    ],
)
def test_python_is_held_to_the_same_bounds(make: object) -> None:
    with pytest.raises(errors.InvalidSettingError, match="must be") as caught:
        make()  # type: ignore[operator]
    assert caught.value.exit_code == 78
    assert caught.value.where


def test_python_may_give_a_rate_as_a_number() -> None:
    assert OutputSettings(fps=25).fps == Fraction(25)  # type: ignore[arg-type]
    assert OutputSettings(fps=29.97).fps == Fraction(30000, 1001)  # type: ignore[arg-type]
