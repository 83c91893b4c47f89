"""Frames become the files of a sequence: PNG or JPEG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import av
import numpy as np

from musetalk_fast.errors import EncoderError
from musetalk_fast.kernels.jpeg import encode_jpeg
from musetalk_fast.video.encoder_options import has_alpha
from musetalk_fast.video.rgb_frames import FrameLook

_MAX_THREADS = 8
"""Frames that are in memory at a time, each in a thread of FFmpeg's."""


def file_format(look: FrameLook) -> str:
    """FFmpeg's name of the RGB format that frames become files from."""
    return "rgba" if has_alpha(look.pix_fmt) else "rgb24"


def png_files(frames: Iterable[av.VideoFrame], look: FrameLook, threads: int) -> Iterator[bytes]:
    """Each frame as a PNG, in order.

    Args:
        frames: in `file_format`.
        threads: that compress, at most.

    Raises:
        errors.EncoderError: they cannot be encoded.
    """
    context = av.CodecContext.create("png", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = look.width, look.height, file_format(look)
    context.time_base = Fraction(1)
    context.thread_type, context.thread_count = "FRAME", min(threads, _MAX_THREADS)
    context.options = {"pred": "mixed"}
    try:
        for frame in frames:
            yield from map(bytes, context.encode(frame))
        yield from map(bytes, context.encode(None))
    except av.FFmpegError as error:
        raise EncoderError(f"cannot be encoded: {error.strerror}", where="png") from error


def jpeg_files(frames: Iterable[av.VideoFrame], _look: FrameLook, _threads: int) -> Iterator[bytes]:
    """Each frame, RGB, as a JPEG with full-resolution chroma and quality 95, in order."""
    for frame in frames:
        yield encode_jpeg(np.ascontiguousarray(frame.to_ndarray()))


FILES: dict[str, Callable[[Iterable[av.VideoFrame], FrameLook, int], Iterator[bytes]]] = {
    "png": png_files,
    "jpeg": jpeg_files,
}
"""By the `pictures` of the container."""
