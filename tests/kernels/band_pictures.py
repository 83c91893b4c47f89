"""A small band, encoded by libx264, with the rows above and below that do not change."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.h264 import Layout
from musetalk_fast.kernels.h264_bits import IDR, split_nal_units
from musetalk_fast.video.parameter_sets import ParameterSets

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]

WIDTH, HEIGHT = 96, 176
GUARD_ROWS = 3
FIRST_ROW, END_ROW = 2, 10
FRAMES = 8
_ALWAYS = "mvrange=32:mbtree=0:scenecut=0:qcomp=0.98:direct=spatial:ipratio=1.5"
_NO_REORDERING = ":weightp=0:bframes=0:rc-lookahead=0"


@dataclass(frozen=True)
class BandPictures:
    """What the composer is given.

    Attributes:
        headers: SPS and PPS of the full size, Annex B.
        band_headers: those of the band.
        packets: the band's pictures in decoding order.
        still: IDR slices of the other rows.
    """

    headers: bytes
    band_headers: bytes
    packets: tuple[bytes, ...]
    still: tuple[tuple[bytes, int], ...]
    layout: Layout

    @property
    def sets(self) -> ParameterSets:
        """Of the full size."""
        return ParameterSets.read(self.headers)


@functools.cache
def band_pictures(preset: str, b_frames: bool, cabac: bool) -> BandPictures:
    """A patch that changes in every frame, in rows that otherwise are as the IDR decodes."""
    options = _ALWAYS + ("" if b_frames else _NO_REORDERING) + ("" if cabac else ":cabac=0")
    rows = END_ROW - FIRST_ROW
    headers, _ = encode([], WIDTH, HEIGHT, preset, options)
    band_options = f"{options}:slice-max-mbs={(rows - GUARD_ROWS) * WIDTH // 16}"
    first = _rows(_picture(), FIRST_ROW, END_ROW)
    band_headers, idr = encode([first], WIDTH, rows * 16, preset, band_options)
    (decoded,) = decode(band_headers + idr[0])
    rng = np.random.default_rng(2)
    frames = [first]
    for index in range(1, FRAMES):
        y, u, v = (plane.copy() for plane in _split(decoded))
        noise = rng.normal(100 + 5 * index, 20, (16, 40))
        y[64:80, 30:70] = np.clip(noise, 16, 235)
        frames.append((y, u, v))
    _, packets = encode(frames, WIDTH, rows * 16, preset, band_options)
    still: list[tuple[bytes, int]] = []
    for begin, end in ((0, FIRST_ROW), (END_ROW, HEIGHT // 16)):
        part = _rows(_picture(), begin, end)
        _, (packet,) = encode([part], WIDTH, (end - begin) * 16, preset, options)
        still += [(unit, begin) for unit in split_nal_units(packet) if unit[0] & 31 == IDR]
    layout = Layout(WIDTH // 16, FIRST_ROW, rows, HEIGHT // 16, GUARD_ROWS)
    return BandPictures(headers, band_headers, tuple(packets), tuple(still), layout)


def encode(
    frames: list[Planes], width: int, height: int, preset: str, options: str
) -> tuple[bytes, list[bytes]]:
    """SPS and PPS, and the packets in decoding order."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate, context.time_base = Fraction(25), Fraction(1, 25)
    context.thread_count = 1
    context.flags |= 1 << 22  # global header
    context.options = {"crf": "23", "preset": preset, "x264-params": options}
    context.open()
    packets = []
    for index, planes in enumerate(frames):
        frame = av.VideoFrame(width, height, "yuv420p")
        for target, plane in zip(frame.planes, planes, strict=True):
            lines = np.frombuffer(target, np.uint8).reshape(len(plane), target.line_size)
            lines[:, : plane.shape[1]] = plane
        frame.pts = index
        packets += context.encode(frame)
    if frames:
        packets += context.encode(None)
    return bytes(context.extradata or b""), [bytes(packet) for packet in packets]


def decode(stream: bytes) -> list[NDArray[np.uint8]]:
    """The pictures of a byte stream as planes of yuv420p, one below the other."""
    context = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    context.options = {"err_detect": "explode"}
    packets = [*context.parse(stream), *context.parse(b"")]
    frames = [frame for packet in packets for frame in context.decode(packet)]
    return [frame.to_ndarray() for frame in [*frames, *context.decode(None)]]


def _picture() -> Planes:
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    waves = 128 + 60 * np.sin(rows / 9) + 40 * np.cos(columns / 7) + rng.normal(0, 3, rows.shape)
    y = np.clip(waves, 16, 235).astype(np.uint8)
    u, v = (np.full((HEIGHT // 2, WIDTH // 2), value, np.uint8) for value in (120, 130))
    return y, u, v


def _rows(planes: Planes, begin: int, end: int) -> Planes:
    y, u, v = planes
    chroma = slice(begin * 8, end * 8)
    return y[begin * 16 : end * 16], u[chroma], v[chroma]


def _split(picture: NDArray[np.uint8]) -> Planes:
    height, width = len(picture) * 2 // 3, picture.shape[1]
    u, v = picture[height:].reshape(2, height // 2, width // 2)
    return picture[:height], u, v
