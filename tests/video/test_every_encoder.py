"""Every encoder of the build: it opens and makes parts that join, or says honestly why not."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import HEIGHT, WIDTH, decode, encode_part, encode_parts

from musetalk_fast.config import OutputSettings
from musetalk_fast.errors import EncoderError
from musetalk_fast.types import BT709, ColourTags
from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.containers import CONTAINERS, container_of
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.mux import join
from musetalk_fast.video.parts import Part, read_part

FPS = Fraction(30000, 1001)
SOFTWARE = [name for name, codec in CODECS.items() if codec.in_software]
HARDWARE = [name for name, codec in CODECS.items() if not codec.in_software]
PLACES = [
    (codec, container.suffix)
    for codec in SOFTWARE
    for container in CONTAINERS.values()
    if CODECS[codec].family in container.families and container.pictures is None
]
EXACT = (".mp4", ".mov")
"""Containers that count time in parts of the rate; the others count milliseconds."""
TAGS = {"h264": "avc1", "hevc": "hvc1", "av1": "av01", "prores": "apch"}


FULL_RANGE = ColourTags(matrix=6, range=2, primaries=6, transfer=6)
PQ = ColourTags(matrix=9, range=1, primaries=9, transfer=16)


def _tags(path: Path) -> tuple[ColourTags, ColourTags]:
    """What the file says of its colours, and what its first decoded frame says."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        asked = _tags_of(context)
        return asked, _tags_of(next(container.decode(video=0)))


def _tags_of(source: av.VideoCodecContext | av.VideoFrame) -> ColourTags:
    return ColourTags(
        matrix=int(source.colorspace),
        range=int(source.color_range),
        primaries=int(source.color_primaries),
        transfer=int(source.color_trc),
    )


def _settings(codec: str, suffix: str, threads: int = 2, **settings: object) -> EncoderSettings:
    if CODECS[codec].preset:
        settings.setdefault("preset", "ultrafast")
    encoder = resolve(
        *(OutputSettings(codec=codec, **settings), Path(f"o{suffix}"), WIDTH, HEIGHT, FPS, BT709)
    )  # type: ignore[arg-type]
    return replace(encoder, threads=threads)


def _place(codec: str) -> str:
    return next(suffix for each, suffix in PLACES if each == codec)


@pytest.fixture(scope="module", params=SOFTWARE)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[EncoderSettings, list[Part]]:
    """Parts of an encoder, and its settings; with pictures in another order where it has such."""
    codec: str = request.param
    fast = {"preset": "fast"} if CODECS[codec].reorders else {}
    encoder = _settings(codec, _place(codec), **fast)
    return encoder, encode_parts(tmp_path_factory.mktemp("parts"), encoder, FPS, [26, 1, 9])


def test_parts_of_software_encoders_join(
    made: tuple[EncoderSettings, list[Part]], tmp_path: Path
) -> None:
    encoder, parts = made
    assert [read_part(part.path, FPS) for part in parts] == parts
    apart = [frame for part in parts for frame in decode(part.path).frames]
    for suffix in (suffix for codec, suffix in PLACES if codec == encoder.codec):
        output = tmp_path / f"o{suffix}"
        joined_by = replace(encoder, format=container_of(output, None).name)
        join(parts, output, sound=None, fps=FPS, encoder=joined_by, metadata={})
        decoded = decode(output)
        assert decoded.numbers == [*range(36)], suffix
        tolerance = 0 if suffix in EXACT else Fraction(1, 2000)
        assert all(abs(time - i / FPS) <= tolerance for i, time in enumerate(decoded.times))
        assert all(np.array_equal(a, b) for a, b in zip(decoded.frames, apart, strict=True))
        _check_what_players_must_know(output, CODECS[encoder.codec].family)


def _check_what_players_must_know(path: Path, family: str) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert context.codec.canonical_name == family
        is_tagged = path.suffix in EXACT or family == "prores"  # whose tag is its profile
        assert context.codec_tag == (TAGS[family] if is_tagged else "\0\0\0\0")
        assert _tags_of(context) == BT709
        assert next(container.demux(stream)).is_keyframe
    if path.suffix in EXACT:
        data = path.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat"), "a player on the web starts at once"
        assert b"colrnclx" in data or b"colrnclc" in data


@pytest.mark.parametrize("codec", SOFTWARE)
def test_parts_without_reordering_and_of_slower_presets_join(tmp_path: Path, codec: str) -> None:
    speed = "ultrafast" if CODECS[codec].reorders else "fast"
    encoder = _settings(codec, _place(codec), **({"preset": speed} if CODECS[codec].preset else {}))
    parts = encode_parts(tmp_path, encoder, FPS, [5, 1, 3])
    output = tmp_path / f"o{_place(codec)}"
    join(parts, output, sound=None, fps=FPS, encoder=encoder, metadata={})
    assert decode(output).numbers == [*range(9)]


@pytest.mark.parametrize("colour", [BT709, FULL_RANGE, PQ], ids=["bt709", "full-range", "pq"])
@pytest.mark.parametrize("codec", SOFTWARE)
def test_the_colour_tags_are_those_asked_for(
    tmp_path: Path, codec: str, colour: ColourTags
) -> None:
    if codec == "prores_ks" and colour is FULL_RANGE:
        with pytest.raises(EncoderError, match="its prores video says nothing of a full range"):
            resolve(OutputSettings(codec=codec), Path("o.mov"), WIDTH, HEIGHT, FPS, colour)
        return
    encoder = _settings(codec, _place(codec))
    part = encode_part(tmp_path / "0", encoder, FPS, range(3), colour)
    assert _tags(part.path) == (colour, colour)
    for suffix in (suffix for each, suffix in PLACES if each == codec):
        output = tmp_path / f"o{suffix}"
        joined_by = replace(encoder, format=container_of(output, None).name)
        join([part], output, sound=None, fps=FPS, encoder=joined_by, metadata={})
        assert _tags(output) == (colour, colour), suffix


@pytest.mark.parametrize("codec", SOFTWARE)
def test_the_same_segment_gives_the_same_bytes(tmp_path: Path, codec: str) -> None:
    encoder = _settings(codec, _place(codec), threads=2)
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        encode_part(path, encoder, FPS, range(20))
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("codec", SOFTWARE)
def test_headers_do_not_depend_on_length_or_threads(tmp_path: Path, codec: str) -> None:
    parts = [
        encode_part(tmp_path / str(i), _settings(codec, _place(codec), threads), FPS, range(length))
        for i, (threads, length) in enumerate([(1, 1), (1, 20), (4, 20)])
    ]
    assert len({part.extradata for part in parts}) == 1


@pytest.mark.parametrize("codec", HARDWARE)
def test_hardware_opens_or_the_reason_is_reported(codec: str) -> None:
    try:
        resolve(OutputSettings(codec=codec), Path("o.mkv"), 256, 256, FPS, BT709)
    except EncoderError as raised:
        error = raised
    else:
        return  # the hardware is here
    assert error.where == codec
    reported = error.message.partition("256x256 pixels at 30000/1001 fps: ")[2]
    # FFmpeg's last word alone would be "Generic error in an external library".
    assert len(reported) > 10, error.message
    assert "Generic error" not in reported
    assert re.search("doctor|encodes in software", error.hint or "")
