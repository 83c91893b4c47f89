"""Frames into the file of a part, beside PyAV's own encoding and muxing of the same frames."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from benches.bench_inputs import planes_of, smooth
from musetalk_fast.config import OutputSettings
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.types import BT709
from musetalk_fast.video.compositor import blank_frame
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.part_encoder import PartEncoder

FPS = Fraction(25)
SIDE, FRAMES = 512, 100


def _frames(encoder: EncoderSettings) -> list[av.VideoFrame]:
    picture, frames = smooth(SIDE, SIDE, 1), []
    for index in range(FRAMES):
        frame = blank_frame(SIDE, SIDE, encoder.pix_fmt, FPS, BT709)
        moved = picture.copy()
        moved[300:400, 200:300] = np.roll(moved[300:400, 200:300], index % 5, axis=0)
        rgb_to_planes(moved, planes_of(frame))
        frame.pts = index
        frames.append(frame)
    return frames


def _ours(path: Path, encoder: EncoderSettings, frames: list[av.VideoFrame]) -> None:
    part = PartEncoder(path, encoder, SIDE, SIDE, FPS, BT709, 0, "a label")
    for frame in frames:
        part.encode(frame)
    part.finish()


def _pyav(path: Path, encoder: EncoderSettings, frames: list[av.VideoFrame]) -> None:
    with av.open(str(path), "w", format=encoder.part_muxer) as container:
        stream = container.add_stream(encoder.codec, rate=FPS)
        assert isinstance(stream, av.VideoStream)
        encoder.configure(stream.codec_context, SIDE, SIDE, FPS, BT709)
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _packets(path: Path) -> list[tuple[int | None, bytes]]:
    with av.open(str(path)) as container:
        return [(each.pts, bytes(each)) for each in container.demux(video=0) if each.size]


def test_against_pyav(compare: Any, tmp_path: Path) -> None:
    settings = OutputSettings(crf=20, preset="veryfast")
    encoder = resolve(settings, Path("out.mp4"), SIDE, SIDE, FPS, BT709)
    frames = _frames(encoder)
    own, other = tmp_path / "own.mp4", tmp_path / "other.mp4"
    _ours(own, encoder, frames)
    _pyav(other, encoder, frames)
    assert len(_packets(own)) == FRAMES
    assert _packets(own) == _packets(other)
    compare(
        "stage/part-512",
        f"{FRAMES} frames of 512x512 encoded and muxed, veryfast, CRF 20; CPU",
        lambda: _ours(own, encoder, frames),
        "PyAV encode, mux",
        lambda: _pyav(other, encoder, frames),
        rounds=15,
        timer=time.process_time,
    )
