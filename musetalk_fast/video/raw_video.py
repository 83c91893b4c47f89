"""Frames without compression, for other programs: YUV4MPEG2, or RGB without any header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np

from musetalk_fast.video.compositor import planes_of
from musetalk_fast.video.parts import Part
from musetalk_fast.video.rgb_frames import FrameLook, decoded_frames, rgb_frames

RAW = ("y4m", "rgb")
"""The `pictures` of containers that this module writes."""

_SUBSAMPLING = {"yuv444p": "C444"}
_RANGES = {1: "LIMITED", 2: "FULL"}


def raw_video(
    parts: Iterable[Part], pictures: str, look: FrameLook, fps: Fraction
) -> Iterator[bytes]:
    """The file, in pieces of a frame.

    Args:
        parts: of the video, in order; each is opened when the one before is through.
        pictures: one of `RAW`.
        look: of the parts' frames.

    Raises:
        errors.OutputWriteError: as `rgb_frames.rgb_frames`.
    """
    if pictures == "rgb":
        for frame in rgb_frames(parts, look, "rgb24"):
            yield frame.to_ndarray().tobytes()
        return
    yield _head(look, fps)
    for frame in decoded_frames(parts, look):
        yield b"FRAME\n" + _samples(frame)


def _head(look: FrameLook, fps: Fraction) -> bytes:
    """Of YUV4MPEG2, as mjpegtools' yuv4mpeg(5) says; the range as FFmpeg writes and reads it."""
    words = (
        *("YUV4MPEG2", f"W{look.width}", f"H{look.height}"),
        *(f"F{fps.numerator}:{fps.denominator}", "Ip", "A1:1"),
        *(_SUBSAMPLING[look.pix_fmt], f"XCOLORRANGE={_RANGES[look.colour.range]}"),
    )
    return " ".join(words).encode() + b"\n"


def _samples(frame: av.VideoFrame) -> bytes:
    planes = planes_of(frame)
    return b"".join(np.ascontiguousarray(planes.samples(each)).tobytes() for each in range(3))
