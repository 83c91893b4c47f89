"""Small videos whose every frame shows its number, in any container and codec."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.media.video import VideoSource
from musetalk_fast.types import ColourTags, Picture, SourceRun
from musetalk_fast.video.thread_priority import keeping_thread_priority

WIDTH, HEIGHT = 96, 64
BITS, STEP = 8, 8
MIN_REORDERED = 3
"""Frames: a B-frame is between two others."""
UNTAGGED = ColourTags(matrix=6, range=1, primaries=1, transfer=1)
"""What a small video without tags counts as."""
GROUP = 12

X264 = {"preset": "ultrafast", "g": str(GROUP)}
CLOSED = {**X264, "bf": "3", "x264-params": "b-adapt=0:bframes=3:b-pyramid=normal:scenecut=0"}
OPEN = {**CLOSED, "x264-params": CLOSED["x264-params"] + ":open-gop=1"}
X265 = {
    "preset": "ultrafast",
    "x265-params": f"keyint={GROUP}:min-keyint={GROUP}:bframes=3:open-gop=1:scenecut=0"
    ":log-level=none:pools=none:frame-threads=1",
}
VP9 = {"g": str(GROUP), "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16"}


def luma_of(number: int) -> NDArray[np.uint8]:
    """A picture that shows a number: one bright or dark column per bit."""
    luma = np.full((HEIGHT, WIDTH), 60, np.uint8)
    for bit in range(BITS):
        left = STEP + bit * STEP
        luma[8:56, left : left + STEP] = 220 if number >> bit & 1 else 20
    return luma


def number_in(planes: Planes) -> int:
    """The number that a frame shows."""
    luma = planes.samples(0) >> (planes.layout.depth - 8 + planes.layout.shift)
    columns = luma[HEIGHT // 2, STEP + STEP // 2 : STEP * (BITS + 1) : STEP]
    return sum(1 << bit for bit, level in enumerate(columns) if level > 120)


def write_clip(
    path: Path,
    codec: str = "libx264",
    frames: int = 30,
    *,
    options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    rate: Fraction | int = 25,
    times: Callable[[int], int] = lambda index: index,
    muxer: dict[str, str] | None = None,
) -> Path:
    """Write frames 0, 1, ...; frame i is shown at `times(i)`, in parts of the rate."""
    tick = 1 / Fraction(rate)
    with av.open(str(path), "w", options=muxer or {}) as file:
        stream = file.add_stream(codec, rate=rate, options=CLOSED if options is None else options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        stream.codec_context.time_base = tick
        stream.codec_context.thread_count = 1
        with keeping_thread_priority(codec):
            file.start_encoding()
        grey = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
        for index in range(frames):
            shown = np.concatenate([luma_of(index), grey])
            frame = av.VideoFrame.from_ndarray(shown, "yuv420p").reformat(format=pix_fmt)
            frame.pts, frame.time_base = times(index), tick
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def write_two_sizes(path: Path, codec: str, pix_fmt: str, frames: int = 4) -> Path:
    """Some frames of one size, and as many that are half as large again, as two encoders make them.

    What decodes them is in the frames; the container says the first size.
    """
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        for start, times in ((0, 2), (frames, 3)):
            encoder: Any = av.CodecContext.create(codec, "w")
            encoder.width, encoder.height = WIDTH * times // 2, HEIGHT * times // 2
            encoder.pix_fmt, encoder.time_base = pix_fmt, Fraction(1, 25)
            encoder.options = X264 if codec == "libx264" else {}
            made = []
            for index in range(frames):
                frame = av.VideoFrame(encoder.width, encoder.height, pix_fmt)
                frame.pts = index
                made += encoder.encode(frame)
            for packet in made + encoder.encode(None):
                packet.stream, packet.time_base = stream, Fraction(1, 25)
                packet.pts, packet.dts = packet.pts + start, packet.dts + start
                file.mux(packet)
    return path


def write_picture(
    path: Path,
    *pictures: Picture,
    codec: str = "libx264",
    pix_fmt: str = "yuv444p",
    tags: ColourTags | None = None,
    options: dict[str, str] | None = None,
    setup: Callable[[Any], None] = lambda context: None,
) -> Path:
    """Write a video that shows pictures, without loss where the codec has that.

    Args:
        tags: of the samples; None: none, and samples by BT.601.
        setup: gets the encoder's context.
    """
    with av.open(str(path), "w") as file:
        lossless = {"qp": "0", "preset": "ultrafast"}
        stream = file.add_stream(codec, rate=25, options=lossless if options is None else options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        context = stream.codec_context
        context.thread_count = 1
        if tags is not None:
            context.colorspace, context.color_range = tags.matrix, tags.range
            context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        setup(context)
        packets = []
        for index, rgb in enumerate(pictures):
            frame = _frame_of(rgb, pix_fmt, tags)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets:
            if len(packets) < MIN_REORDERED:  # x265 leaves the decoding times of so few to chance
                packet.dts = packet.pts
            file.mux(packet)
    return path


def _frame_of(rgb: Picture, pix_fmt: str, tags: ColourTags | None) -> av.VideoFrame:
    if pix_fmt not in LAYOUTS:
        return av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pix_fmt)
    height, width = rgb.shape[:2]
    frame = av.VideoFrame(width, height, pix_fmt)
    strides = [plane.line_size for plane in frame.planes]
    planes = Planes(LAYOUTS[pix_fmt], width, height, frame.planes, strides)
    rgb_to_planes(rgb, planes, **coding_of(tags or UNTAGGED))
    return frame


def patches(width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """Squares of 16 pixels of any colours."""
    shape = (-(-height // 16), -(-width // 16), 3)
    colours = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    return np.ascontiguousarray(colours.repeat(16, 0).repeat(16, 1)[:height, :width])


def set_edits(path: Path, edits: Sequence[tuple[int, int]]) -> None:
    """Give an MP4 that has an edit list, and its index at the end, another one.

    Args:
        edits: the duration of each in the movie's time scale, and where it begins in the track's.
    """
    data = bytearray(path.read_bytes())
    at = data.find(b"elst") - 4
    length = int.from_bytes(data[at : at + 4], "big")
    new = struct.pack(">I4sII", 16 + 12 * len(edits), b"elst", 0, len(edits))
    new += b"".join(struct.pack(">IiI", lasts, start, 0x10000) for lasts, start in edits)
    _grow(data, at, len(new) - length, 0, len(data))
    data[at : at + length] = new
    path.write_bytes(data)


_NESTED = (b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"stsd")


def _grow(data: bytearray, at: int, by: int, start: int, stop: int) -> None:
    """Correct the lengths of the boxes around a place."""
    while start < stop:
        length, name = struct.unpack_from(">I4s", data, start)
        if name in _NESTED and start <= at < start + length:
            struct.pack_into(">I", data, start, length + by)
            if name != b"stsd":
                _grow(data, at, by, start + 8, start + length)
        start += length


def patch(path: Path, mark: bytes, after: int, new: bytes) -> None:
    """Overwrite bytes at a place counted from where a mark begins."""
    data = bytearray(path.read_bytes())
    at = data.index(mark) + after
    data[at : at + len(new)] = new
    path.write_bytes(data)


def box(name: bytes, content: bytes) -> bytes:
    """A box of an MP4 (ISO/IEC 14496-12)."""
    return struct.pack(">I4s", 8 + len(content), name) + content


def encrypt(path: Path) -> None:
    """Give an MP4 of H.264 whose index is at the end the sample entry of an encrypted one.

    As by ISO/IEC 23001-7: it says what its samples were, and how they are hidden.
    """
    scheme = box(b"schm", bytes(4) + b"cenc" + bytes((0, 1, 0, 0)))
    key = box(b"schi", box(b"tenc", bytes(6) + b"\1\x08" + bytes(16)))
    hidden = box(b"sinf", box(b"frma", b"avc1") + scheme + key)
    data = bytearray(path.read_bytes())
    at = data.index(b"avc1\0\0") - 4
    length = int.from_bytes(data[at : at + 4], "big")
    _grow(data, at, len(hidden), 0, len(data))
    data[at : at + 8] = struct.pack(">I4s", length + len(hidden), b"encv")
    data[at + length : at + length] = hidden
    path.write_bytes(data)


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Give the track of an MP4 a display matrix (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 44
    matrix = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, at, *matrix)
    path.write_bytes(data)


def damage(path: Path, packets: Sequence[int]) -> None:
    """Overwrite packets with zeros; they are counted in the order of decoding."""
    with av.open(str(path)) as file:
        places = [(each.pos, each.size) for each in file.demux(video=0) if each.size]
    data = bytearray(path.read_bytes())
    for packet in packets:
        start, size = places[packet]
        data[start : start + size] = bytes(size)
    path.write_bytes(data)


def shown(source: VideoSource, first: int, step: int, count: int, layout: str = "") -> list[int]:
    """The numbers that the frames of a run show."""
    planes = source.planes(SourceRun(first, step, count), LAYOUTS[layout or "yuv420p"])
    return [number_in(each) for each in planes]


def check_every_way(source: VideoSource, wanted: Sequence[int], layout: str = "") -> None:
    """Each source frame shows what it shall, wherever decoding begins and wherever it goes."""
    assert source.frames == len(wanted)
    last = source.frames - 1
    assert shown(source, 0, 1, last + 1, layout) == list(wanted)
    assert shown(source, last, -1, last + 1, layout) == list(wanted)[::-1]
    for first in range(last + 1):
        step = -1 if first % 2 or first == last else 1
        assert shown(source, first, step, 2, layout) == [wanted[first], wanted[first + step]]
    assert source.missing == 0
