"""The rival of a render: the encoder alone, with frames that are ready in memory.

    python -m benches.replay.encoder_alone FOLDER FRAMES [--threads auto] [--kept N] \
        [--preset NAME] [--crf NUMBER]

The same frames, options and segments as a render's, as many encoders and threads at a time;
`--threads auto` is one encoder for all of it, with as many threads as it likes. When encoding
began and ended is printed, by `time.monotonic`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av

from benches.replay.workload import CROPS, Workload, load_workload
from musetalk_fast.config import OutputSettings
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.avatar import open_avatar
from musetalk_fast.planning.concurrency import choose_concurrency, processors
from musetalk_fast.planning.plan import Segment, cut
from musetalk_fast.types import BT709, CropEncoding, SourceRun
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.wire.crop_codec import encode_crop
from musetalk_fast.wire.messages import Frame

FPS = Fraction(25)
SEGMENT_SECS = 10.0


class EncoderSetup(NamedTuple):
    """The same encoder, segments and number of concurrent encoders as a render has."""

    encoder: EncoderSettings
    segments: tuple[Segment, ...]
    encoders: int


def setup_of(
    workload: Workload,
    frames: int,
    *,
    auto: bool = False,
    preset: str = "veryfast",
    crf: float = 20,
) -> EncoderSetup:
    avatar = open_avatar(workload.avatar, background="white", resolution=None)
    settings = OutputSettings(crf=20, preset=preset)
    encoder = resolve(settings, Path("out.mp4"), avatar.width, avatar.height, FPS, avatar.colour)
    encoder = replace(encoder, options={**encoder.options, "crf": f"{crf:g}"})
    if auto:
        return EncoderSetup(replace(encoder, threads=0), (Segment(0, 0, frames),), 1)
    segments = cut(frames, FPS, SEGMENT_SECS)
    concurrency = choose_concurrency(len(segments), processors())
    return EncoderSetup(
        replace(encoder, threads=concurrency.threads), segments, concurrency.encoders
    )


def compose_all(workload: Workload, encoder: EncoderSettings, kept: int) -> list[av.VideoFrame]:
    avatar = open_avatar(workload.avatar, background="white", resolution=None)
    planes = next(avatar.planes(SourceRun(0, 0, 1), LAYOUTS[encoder.pix_fmt]))
    raw, rows = CropEncoding.RAW, workload.rows
    frames = []
    for crop in workload.crops[:kept]:
        compositor = StillCompositor(planes, workload.face, FPS, avatar.colour)
        frame = Frame(index=0, source=0, encoding=raw, data=encode_crop(crop, raw, rows), rows=rows)
        frames.append(compositor.compose(frame, 0))
    return frames


def encode(
    segment: Segment, encoder: EncoderSettings, frames: list[av.VideoFrame]
) -> Iterator[av.Packet]:
    context = av.CodecContext.create(encoder.codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    encoder.configure(context, frames[0].width, frames[0].height, FPS, BT709)
    for index in range(segment.start, segment.stop):
        frame = frames[index % len(frames)]
        frame.pts = index - segment.start
        yield from context.encode(frame)
    yield from context.encode(None)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("frames", type=int)
    parser.add_argument("--threads", choices=["auto"])
    parser.add_argument("--kept", type=int, default=CROPS)
    parser.add_argument("--preset", default="veryfast")
    parser.add_argument("--crf", type=float, default=20)
    asked = parser.parse_args()
    workload = load_workload(asked.folder)
    setup = setup_of(
        workload,
        asked.frames,
        auto=asked.threads == "auto",
        preset=asked.preset,
        crf=asked.crf,
    )
    sets = [compose_all(workload, setup.encoder, asked.kept) for _ in range(setup.encoders)]
    began = time.monotonic()

    def count(segment: Segment) -> int:
        # A frame serves one encoder at a time: its time stamp is set before it goes in.
        frames = sets.pop()
        try:
            return sum(1 for _ in encode(segment, setup.encoder, frames))
        finally:
            sets.append(frames)

    with ThreadPoolExecutor(setup.encoders) as threads:
        assert sum(threads.map(count, setup.segments)) == asked.frames
    print(began, time.monotonic())


if __name__ == "__main__":
    sys.exit(main())
