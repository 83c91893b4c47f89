"""Alpha through encoder, parts and join, as the decoder that keeps it shows it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import (
    FACE,
    HEIGHT,
    WIDTH,
    crop_of,
    depth_of,
    frame_of,
    luma_of,
    number_in,
    picture,
)
from numpy.typing import NDArray

from musetalk_fast.config import OutputSettings
from musetalk_fast.errors import EncoderError
from musetalk_fast.kernels.planes import ALPHA, LAYOUTS
from musetalk_fast.media.image import Still
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.types import BT709, SourceRun
from musetalk_fast.video.codec_choice import demand_alpha, keeps_alpha
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.encoder_options import has_alpha
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.mux import join
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.parts import Part, read_part

FPS = Fraction(25)
LENGTHS = (2, 1, 2)


def _alpha() -> NDArray[np.uint8]:
    """A soft disc, which cuts the mouth's rectangle."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    distance = np.hypot(x - WIDTH / 2, y - HEIGHT / 2)
    return np.clip((120 - distance) * 20, 0, 255).astype(np.uint8)


def _parts(folder: Path, encoder: EncoderSettings) -> list[Part]:
    source = StillSource(Still(Path("still.png"), picture(), "", (), _alpha()))
    planes = next(source.planes(SourceRun(0, 0, 1), LAYOUTS[encoder.pix_fmt]))
    parts, number = [], 0
    for place, length in enumerate(LENGTHS):
        compositor = StillCompositor(planes, FACE, FPS, BT709)
        path = folder / f"{place}{encoder.part_suffix}"
        part = PartEncoder(path, encoder, WIDTH, HEIGHT, FPS, BT709, 0, "label")
        for index in range(length):
            frame = compositor.compose(frame_of(crop_of(number)), index)
            assert (_in_8_bits(frame, ALPHA) == _alpha()).all()
            part.encode(frame)
            number += 1
        parts.append(part.finish())
    return parts


def _decoded(path: Path) -> list[NDArray[np.uint8]]:
    """Luma and alpha, one below the other, in 8 bits."""
    frames: list[av.VideoFrame] = []
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    with av.open(str(path)) as container:
        if container.streams.video[0].codec_context.codec.canonical_name != "vp9":
            frames += container.decode(video=0)
        for packet in container.demux(video=0):  # FFmpeg's default decoder drops alpha
            if packet.size:
                frames += decoder.decode(packet)  # type: ignore[arg-type]
    return [np.vstack([_in_8_bits(each, 0), _in_8_bits(each, ALPHA)]) for each in frames]


def _in_8_bits(frame: av.VideoFrame, plane: int) -> NDArray[np.uint8]:
    return (luma_of(frame, plane) >> depth_of(frame) - 8).astype(np.uint8)


@pytest.mark.parametrize(
    ("codec", "suffixes", "most"),
    [("vp9", (".webm", ".mkv"), 16), ("prores", (".mov", ".mkv"), 1), ("ffv1", (".mkv",), 0)],
)
def test_alpha_is_kept_from_the_avatar_to_the_joined_video(
    tmp_path: Path, codec: str, suffixes: tuple[str, ...], most: int
) -> None:
    settings = OutputSettings(codec=codec, preset="ultrafast" if codec == "vp9" else None)
    outputs = [tmp_path / f"o{suffix}" for suffix in suffixes]
    encoders = [resolve(settings, each, WIDTH, HEIGHT, FPS, BT709, alpha=True) for each in outputs]
    parts = _parts(tmp_path, encoders[0])
    assert [read_part(part.path, FPS) for part in parts] == parts
    apart = [frame for part in parts for frame in _decoded(part.path)]
    assert [number_in(frame) for frame in apart] == [*range(sum(LENGTHS))]
    for frame in apart:
        change = np.abs(frame[HEIGHT:].astype(int) - _alpha())
        assert change.max() <= most
        assert change.mean() <= 0.5
    for output, encoder in zip(outputs, encoders, strict=True):
        join(parts, output, sound=None, fps=FPS, encoder=encoder, metadata={})
        frames = _decoded(output)
        assert all(np.array_equal(one, other) for one, other in zip(frames, apart, strict=True))
        if codec == "vp9":  # AlphaMode, RFC 9559, 5.1.4.1.28.4
            assert b"\x53\xc0\x81\x01" in output.read_bytes()[:2000]


@pytest.mark.parametrize(
    ("output", "codec", "said"),
    [
        ("o.mp4", None, "its h264 video in mp4 is never transparent"),
        ("o.mp4", "av1", "its av1 video in mp4 is never transparent"),
        ("o.webm", "av1", "its av1 video in webm is never transparent"),
        ("o.webm", "vp9_qsv", "its vp9 video in webm is never transparent"),
        ("o/%d.jpg", None, "a sequence of jpeg is never transparent"),
    ],
)
def test_what_is_never_transparent_names_what_is(output: str, codec: str | None, said: str) -> None:
    settings = OutputSettings(codec=codec)
    assert not keeps_alpha(settings, Path(output))
    for refused in (
        lambda: demand_alpha(settings, Path(output)),
        lambda: resolve(settings, Path(output), WIDTH, HEIGHT, FPS, BT709, alpha=True),
    ):
        with pytest.raises(EncoderError, match=said) as caught:
            refused()
        assert str(caught.value.hint) == (
            "write vp9 in .webm or .mkv, prores in .mov or .mkv, ffv1 in .mkv or .gif or .webp or "
            ".apng or .png, or give --background a colour or a picture"
        )


def test_vp9_is_opaque_unless_alpha_is_asked_for() -> None:
    assert keeps_alpha(OutputSettings(), Path("o.webm"))
    demand_alpha(OutputSettings(codec="vp9"), Path("o.webm"))
    encoder = resolve(OutputSettings(), Path("o.webm"), WIDTH, HEIGHT, FPS, BT709)
    assert encoder.pix_fmt == "yuv420p"
    alike = {"yuva420p": True, "rgba": True, "pal8": False, "yuv420p": False, "nv12": False}
    assert {name: has_alpha(name) for name in alike} == alike
