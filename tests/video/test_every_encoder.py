"""Every encoder of the build: it opens and makes parts that join, or says honestly why not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import decode, encode_part, encode_parts, encoder_for

from musetalk_fast.config import OutputSettings
from musetalk_fast.errors import EncoderError
from musetalk_fast.types import BT709, ColourTags
from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.containers import CONTAINERS
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.mux import join
from musetalk_fast.video.parts import read_part

FPS = Fraction(30000, 1001)
SOFTWARE = [name for name in CODECS if name.startswith("lib")]
HARDWARE = [name for name in CODECS if not name.startswith("lib")]
PLACES = [
    (codec, container.suffix)
    for codec in SOFTWARE
    for container in CONTAINERS.values()
    if CODECS[codec].family in container.families
]


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
    return replace(encoder_for(Path(f"o{suffix}"), FPS, codec=codec, **settings), threads=threads)


@pytest.mark.parametrize(("codec", "suffix"), PLACES)
@pytest.mark.parametrize("preset", ["ultrafast", "fast"])
def test_parts_of_software_encoders_join(
    tmp_path: Path, codec: str, suffix: str, preset: str
) -> None:
    encoder = _settings(codec, suffix, preset=preset)
    parts = encode_parts(tmp_path, encoder, FPS, [26, 1, 9])
    assert [read_part(part.path, FPS) for part in parts] == parts
    output = tmp_path / f"o{suffix}"
    join(parts, output, sound=None, fps=FPS, encoder=encoder, metadata={})
    decoded = decode(output)
    assert decoded.numbers == [*range(36)]
    tolerance = 0 if suffix == ".mp4" else Fraction(1, 2000)
    assert all(abs(time - i / FPS) <= tolerance for i, time in enumerate(decoded.times))
    apart = [frame for part in parts for frame in decode(part.path).frames]
    assert all(np.array_equal(a, b) for a, b in zip(decoded.frames, apart, strict=True))


@pytest.mark.parametrize(("codec", "suffix"), PLACES)
def test_what_players_must_know_is_in_the_file(tmp_path: Path, codec: str, suffix: str) -> None:
    encoder = _settings(codec, suffix)
    parts = encode_parts(tmp_path, encoder, FPS, [3])
    join(parts, tmp_path / f"o{suffix}", sound=None, fps=FPS, encoder=encoder, metadata={})
    tags = {"h264": "avc1", "hevc": "hvc1", "av1": "av01"} if suffix == ".mp4" else {}
    with av.open(str(tmp_path / f"o{suffix}")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        family = CODECS[codec].family
        assert context.codec.canonical_name == family
        assert context.codec_tag == tags.get(family, "\0\0\0\0")
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range == 1
        assert next(container.demux(stream)).is_keyframe


@pytest.mark.parametrize("colour", [BT709, FULL_RANGE, PQ], ids=["bt709", "full-range", "pq"])
@pytest.mark.parametrize(("codec", "suffix"), PLACES)
def test_the_colour_tags_are_those_asked_for(
    tmp_path: Path, codec: str, suffix: str, colour: ColourTags
) -> None:
    encoder = _settings(codec, suffix)
    part = encode_part(tmp_path / "0", encoder, FPS, range(3), colour)
    assert _tags(part.path) == (colour, colour)
    join([part], tmp_path / f"o{suffix}", sound=None, fps=FPS, encoder=encoder, metadata={})
    assert _tags(tmp_path / f"o{suffix}") == (colour, colour)


@pytest.mark.parametrize(("codec", "suffix"), PLACES)
def test_the_same_segment_gives_the_same_bytes(tmp_path: Path, codec: str, suffix: str) -> None:
    encoder = _settings(codec, suffix, threads=2)
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        encode_part(path, encoder, FPS, range(20))
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(("codec", "suffix"), PLACES)
def test_headers_do_not_depend_on_length_or_threads(
    tmp_path: Path, codec: str, suffix: str
) -> None:
    parts = [
        encode_part(tmp_path / str(i), _settings(codec, suffix, threads), FPS, range(length))
        for i, (threads, length) in enumerate([(1, 1), (1, 20), (4, 20)])
    ]
    assert len({part.extradata for part in parts}) == 1


@pytest.mark.parametrize("codec", HARDWARE)
def test_hardware_opens_or_the_reason_is_reported(codec: str) -> None:
    name = "o.webm" if CODECS[codec].family == "vp9" else "o.mp4"
    try:
        resolve(OutputSettings(codec=codec), Path(name), 256, 256, FPS, BT709)
    except EncoderError as raised:
        error = raised
    else:
        return  # the hardware is here
    assert error.where == codec
    reported = error.message.partition("256x256 pixels at 30000/1001 fps: ")[2]
    # FFmpeg's last word alone would be "Generic error in an external library".
    assert len(reported) > 10, error.message
    assert "Generic error" not in reported
    assert "doctor" in (error.hint or "")
