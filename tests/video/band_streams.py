"""Segments of a band as streams: composed, and alone, with what a decoder makes of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.h264 import Layout
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.types import BT709
from musetalk_fast.video.band import GUARD_ROWS, MACROBLOCK, rows_of
from musetalk_fast.video.band_encoder import (
    BandEncoder,
    ComposedPacket,
    StillRows,
    encode_still_rows,
)
from musetalk_fast.video.compositor import blank_frame, planes_of
from musetalk_fast.video.encoder_settings import EncoderSettings

Samples = NDArray[np.uint8]
Paint = Callable[[int, Samples], None]
"""Changes the luma of a frame's band: its number, and the rows that stand."""

FPS = Fraction(25)
BASE = "mvrange=32:mbtree=0:scenecut=0:qcomp=0.98:direct=spatial:cpu-independent=1:ipratio=1.5"
NO_B = ":weightp=0:bframes=0:rc-lookahead=0"
WITH_B = ":bframes=3:b-adapt=0"
THREADING = ((1, "NONE"), (3, "FRAME"), (3, "SLICE"))
"""Of FFmpeg's decoder: how many, and of what each has."""


@dataclass(frozen=True)
class Segment:
    """A segment's streams.

    Attributes:
        packets: in decoding order.
        band_headers: SPS and PPS of the band alone.
    """

    packets: tuple[ComposedPacket, ...]
    band_headers: bytes

    @property
    def unproven(self) -> list[int]:
        return sorted(packet.pts for packet in self.packets if not packet.is_proven)

    @property
    def data(self) -> bytes:
        return b"".join(packet.data for packet in self.packets)

    @property
    def alone(self) -> bytes:
        """The byte stream of the band as a video of its own."""
        return self.band_headers + b"".join(packet.band for packet in self.packets)


@dataclass(frozen=True)
class Differences:
    """Numbers of the frames, as shown, that are not what they should be.

    Attributes:
        band: whose band is not that of the band alone.
        still: whose other rows are not those of the first.
    """

    frames: int
    band: list[int]
    still: list[int]


@cache
def settings(preset: str, more: str = "", gop: int = 250, crf: str = "23") -> EncoderSettings:
    options = {"crf": crf, "preset": preset, "x264-params": BASE + more}
    return EncoderSettings("libx264", "mp4", "yuv420p", options, gop, 1)


@cache
def picture(width: int, height: int) -> Planes:
    """Waves with some noise: no part of it is flat, no vector fits it better than none."""
    rng = np.random.default_rng(1)
    planes = Planes.allocate(LAYOUTS["yuv420p"], width, height)
    for number, level in enumerate((128, 110, 140)):
        samples = planes.samples(number)
        rows, columns = np.mgrid[: samples.shape[0], : samples.shape[1]]
        waves = level + 40 * np.sin(rows / 7) + 30 * np.cos(columns / 5)
        samples[...] = np.clip(waves + rng.normal(0, 2, waves.shape), 16, 235)
    return planes


def ramp(width: int, height: int) -> Planes:
    """What an encoder refines for long: it has no edge, and no noise hides what is wrong."""
    planes = picture(width, height).copy()
    planes.samples(0)[...] = 60 + np.add.outer(np.arange(height) * 0.3, np.arange(width) * 0.2)
    return planes


def flat(width: int, height: int) -> Planes:
    planes = picture(width, height).copy()
    planes.samples(0)[...] = 128
    return planes


def stripes(width: int, height: int) -> Planes:
    """Every vector along them fits, and many across."""
    planes = picture(width, height).copy()
    planes.samples(0)[...] = 128 + 60 * np.sin(np.arange(height) / 3)[:, None]
    return planes


BACKGROUNDS = {"waves": picture, "ramp": ramp, "flat": flat, "stripes": stripes}


def layout_of(
    picture: Planes, top: int, height: int, margin: int = GUARD_ROWS + 1, guard: int = GUARD_ROWS
) -> Layout:
    """The band around the pixel rows that change, with `margin` rows on each inner side."""
    width, total = (-(-side // MACROBLOCK) for side in (picture.width, picture.height))
    first = max(0, top // MACROBLOCK - margin)
    stop = min(total, -(-(top + height) // MACROBLOCK) + margin)
    return Layout(width, first, stop - first, total, guard)


def noise(layout: Layout, top: int, height: int, seed: int = 0) -> Paint:
    """Another grain in every frame, on the pixel rows from `top` on and in the middle columns."""
    begin = top - layout.first_row * MACROBLOCK

    def paint(index: int, luma: Samples) -> None:
        target = luma[begin : begin + height, 25:71]
        grain = np.random.default_rng((seed, index)).normal(100 + 9 * (index % 9), 20, target.shape)
        target[...] = np.clip(grain, 16, 235)

    return paint


def running(layout: Layout, top: int, height: int, step: int) -> Paint:
    """A texture that runs so many pixels down in every frame, further than vectors reach."""
    begin = top - layout.first_row * MACROBLOCK
    rng = np.random.default_rng(3)
    texture = 128 + rng.normal(size=(900, 64)).cumsum(0) * 6 + rng.normal(size=(900, 64)) * 10
    texture = np.clip(texture, 16, 235)

    def paint(index: int, luma: Samples) -> None:
        start = (400 - step * index) % 800
        luma[begin : begin + height, 16:80] = texture[start : start + height]

    return paint


def still_rows(encoder: EncoderSettings, avatar: Planes, layout: Layout) -> StillRows:
    return encode_still_rows(encoder, avatar, layout, FPS, BT709)


def encode(
    encoder: EncoderSettings,
    still: StillRows,
    avatar: Planes,
    paint: Paint,
    count: int,
    *,
    idr_pic_id: int = 0,
    decodes_first: bool = True,
) -> Segment:
    """Encode frames; without `decodes_first` the avatar itself is their source to the end."""
    layout = still.layout
    source = rows_of(avatar, layout.first_row, layout.rows)
    made = BandEncoder(encoder, still, FPS, BT709, idr_pic_id)
    packets: list[ComposedPacket] = []
    for index in range(count):
        planes = source.copy()
        paint(index, planes.samples(0))
        if index == 0 and decodes_first:
            source = made.decode_first(planes)
        packets += made.encode(_frame(planes, index))
    packets += made.encode(None)
    return Segment(tuple(packets), made.headers)


def _frame(planes: Planes, index: int) -> av.VideoFrame:
    frame = blank_frame(planes.width, planes.height, "yuv420p", FPS, BT709)
    planes.copy_to(planes_of(frame))
    frame.pts = index
    return frame


def decode(stream: bytes, threads: int = 1, kind: str = "NONE") -> list[Planes]:
    """The frames of a byte stream as they are shown; anything wrong with it is an error."""
    context = av.CodecContext.create("h264", "r")
    context.options = {"err_detect": "explode"}
    context.thread_count, context.thread_type = threads, kind
    packets = [*context.parse(stream), *context.parse(b"")]
    return [*_decoded(context, packets), *_decoded(context, [None])]


def _decoded(context: av.CodecContext, packets: Sequence[av.Packet | None]) -> Iterator[Planes]:
    for packet in packets:
        yield from (planes_of(frame).copy() for frame in context.decode(packet))


def compare(frames: Sequence[Planes], segments: Sequence[Segment], layout: Layout) -> Differences:
    """Frames of the segments joined, beside each segment's band alone."""
    alone = [planes for segment in segments for planes in decode(segment.alone)]
    assert len(frames) == len(alone)
    first, stop = layout.first_row, layout.first_row + layout.rows
    band, still = [], []
    for number, (shown, wanted) in enumerate(zip(frames, alone, strict=True)):
        if not _same(shown, wanted, first, stop, shifted=first):
            band.append(number)
        rest = ((0, first), (stop, layout.total_rows))
        if not all(_same(shown, frames[0], *rows) for rows in rest):
            still.append(number)
    return Differences(len(frames), band, still)


def _same(one: Planes, other: Planes, first: int, stop: int, shifted: int = 0) -> bool:
    """Whether macroblock rows are equal; the other may be larger, and begins `shifted` lower."""
    for number in range(3):
        side = MACROBLOCK >> (1 if number else 0)
        samples = one.samples(number)[first * side : stop * side]
        beside = other.samples(number)[(first - shifted) * side :]
        if not np.array_equal(samples, beside[: samples.shape[0], : samples.shape[1]]):
            return False
    return True
