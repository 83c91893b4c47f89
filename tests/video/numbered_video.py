"""Videos whose every frame shows its own number, and what comes back when they are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from musetalk_fast.config import OutputSettings
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.media.image import Still
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.types import (
    BT709,
    CROP_SIZE,
    Box,
    ColourTags,
    Crop,
    CropEncoding,
    Face,
    Picture,
    Rows,
    SourceRun,
)
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.messages import Frame

Luma: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

WIDTH, HEIGHT = 320, 288
BITS = 8
BOX = Box(32, 16, CROP_SIZE, CROP_SIZE)
MASK_BOX = Box(32, 144, CROP_SIZE, 128)
FACE = Face(0, BOX, MASK_BOX, np.full((128, CROP_SIZE), 255, np.uint8))


def picture() -> Picture:
    """A smooth picture of the video's size."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rgb = np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, (x + y) * 255 // (WIDTH + HEIGHT)], -1)
    return rgb.astype(np.uint8)


def avatar_planes(rgb: Picture, pix_fmt: str) -> Planes:
    """A still's planes as a render gets them."""
    source = StillSource(Still(Path("still.png"), rgb, "", ()))
    return next(source.planes(SourceRun(0, 0, 1), LAYOUTS[pix_fmt]))


def compositor_of(encoder: EncoderSettings, fps: Fraction) -> StillCompositor:
    """Makes the frames of `picture` for an encoder."""
    return StillCompositor(avatar_planes(picture(), encoder.pix_fmt), FACE, fps, BT709)


def frame_of(crop: Crop, index: int = 0, first_row: int = 0) -> Frame:
    """A frame that carries a raw crop, or its rows from `first_row` on."""
    rows = Rows(first_row, len(crop))
    data = memoryview(crop).cast("B")
    return Frame(index=index, source=0, encoding=CropEncoding.RAW, data=data, rows=rows)


def crop_of(number: int) -> Crop:
    """A crop that shows a number: one bright or dark column per bit."""
    columns = [235 if number >> bit & 1 else 20 for bit in range(BITS)]
    row = np.repeat(np.array(columns, np.uint8), CROP_SIZE // BITS)
    return np.ascontiguousarray(np.broadcast_to(row[:, None], (CROP_SIZE, CROP_SIZE, 3)))


def number_in(luma: Luma) -> int:
    """The number that a decoded frame shows."""
    step = CROP_SIZE // BITS
    middle = luma[MASK_BOX.y + 64, BOX.x + step // 2 : BOX.x + CROP_SIZE : step]
    return sum(1 << bit for bit, level in enumerate(middle) if level > 128)


def encoder_for(output: Path, fps: Fraction, **settings: object) -> EncoderSettings:
    """A fast encoder for the output's container."""
    settings.setdefault("preset", "ultrafast")
    return resolve(OutputSettings(**settings), output, WIDTH, HEIGHT, fps, BT709)  # type: ignore[arg-type]


def encode_part(
    path: Path,
    encoder: EncoderSettings,
    fps: Fraction,
    numbers: Sequence[int],
    colour: ColourTags = BT709,
) -> Part:
    """A part whose frames show `numbers`."""
    compositor = compositor_of(encoder, fps)
    part = PartEncoder(path, encoder, WIDTH, HEIGHT, fps, colour, 0, "label")
    for index, number in enumerate(numbers):
        frame = compositor.compose(frame_of(crop_of(number)), index)
        frame.colorspace, frame.color_range = colour.matrix, colour.range
        frame.color_primaries, frame.color_trc = colour.primaries, colour.transfer
        part.encode(frame)
    return part.finish()


def encode_parts(
    folder: Path, encoder: EncoderSettings, fps: Fraction, lengths: Sequence[int]
) -> list[Part]:
    """Parts of these lengths; the frames of all count on from 0."""
    parts, first = [], 0
    for place, length in enumerate(lengths):
        path = folder / f"{place:03}{encoder.part_suffix}"
        parts.append(encode_part(path, encoder, fps, range(first, first + length)))
        first += length
    return parts


@dataclass(frozen=True)
class Decoded:
    """What an independent decoder makes of a video."""

    numbers: list[int]
    times: list[Fraction]
    frames: list[Luma]


def luma_of(frame: av.VideoFrame, number: int = 0) -> Luma:
    """(height, width) samples of its first plane, or of another that is as large, as they are."""
    plane, dtype = frame.planes[number], np.dtype("<u2" if depth_of(frame) > 8 else np.uint8)
    rows = np.frombuffer(memoryview(plane), dtype).reshape(-1, plane.line_size // dtype.itemsize)
    return rows[: frame.height, : frame.width].copy()


def depth_of(frame: av.VideoFrame) -> int:
    """Bits of a sample."""
    return int(frame.format.components[0].bits)


def decode(path: Path) -> Decoded:
    """Decode all pictures; frames are luma planes."""
    numbers, times, frames = [], [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        for frame in container.decode(stream):
            assert frame.pts is not None
            times.append(frame.pts * stream.time_base)
            frames.append(luma_of(frame))
            numbers.append(number_in(frames[-1] >> depth_of(frame) - 8))
    return Decoded(numbers, times, frames)
