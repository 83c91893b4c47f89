"""The frames of a run, forward or backward, prepared; backward in as much memory as there is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import repeat
from typing import TYPE_CHECKING

from musetalk_fast.media.video.frame_decoder import FrameDecoder, Numbered
from musetalk_fast.media.video.frame_filter import Preparation, filtered
from musetalk_fast.types import SourceRun

if TYPE_CHECKING:
    import av

REVERSE_BYTES = 128 << 20
"""Of the frames that one run keeps to show them backward: 40 frames at 1920x1080. Of a group of
pictures that is larger they are decoded again for each part of it."""

_AT_ONCE = 8
"""Frames, where groups of pictures are shorter: a seek for each frame would cost more."""


def run_frames(
    decoder: FrameDecoder, run: SourceRun, preparation: Preparation, pix_fmt: str
) -> Iterator[av.VideoFrame]:
    """The frames of a run that is not empty, in a pixel format; only to be read."""
    frames = _Prepared(decoder, preparation, pix_fmt)
    if run.step == 0:
        (frame,) = frames.between(run.first, run.first)
        yield from repeat(frame, run.count)
    elif run.step > 0:
        yield from frames.between(run.first, run.first + run.count - 1)
    else:
        yield from _backward(frames, run.first, run.first - run.count + 1)


def _backward(frames: _Prepared, first: int, last: int) -> Iterator[av.VideoFrame]:
    """From `first` down to `last`: groups of pictures, or as much of one as may be kept."""
    here, most = first, max(1, REVERSE_BYTES // frames.bytes_each)
    while here >= last:
        start = max(last, here - most + 1, frames.group_start(max(last, here - _AT_ONCE + 1)))
        kept = deque(frames.between(start, here))
        here = start - 1
        while kept:
            yield kept.pop()


class _Prepared:
    """The prepared frames of a video."""

    def __init__(self, decoder: FrameDecoder, preparation: Preparation, pix_fmt: str) -> None:
        self._decoder, self._preparation, self._pix_fmt = decoder, preparation, pix_fmt
        self._is_changed = preparation.changes(pix_fmt)

    @property
    def bytes_each(self) -> int:
        """Memory of one of them, about."""
        from av import VideoFormat

        shape = self._preparation.shape
        if not self._is_changed:
            return frame_bytes(VideoFormat(shape.pix_fmt), shape.width, shape.height)
        return frame_bytes(VideoFormat(self._pix_fmt), *self._preparation.size)

    def group_start(self, frame: int) -> int:
        """The first frame that is decoded together with this one."""
        return frame - self._decoder.distance(frame, seeking=True)

    def between(self, first: int, last: int) -> Iterator[av.VideoFrame]:
        """From `first` to `last`."""
        if not self._is_changed:
            for _, frame in self._decoder.frames(first, last):
                yield frame
            return
        for number, frame in filtered(self._around(first, last), self._preparation, self._pix_fmt):
            if first <= number <= last:
                yield frame

    def _around(self, first: int, last: int) -> Iterator[Numbered]:
        if self._preparation.is_interlaced:
            # Deinterlacing looks at the frames before and after.
            first, last = max(0, first - 1), min(self._decoder.total - 1, last + 1)
        return self._decoder.frames(first, last)


def frame_bytes(pixels: av.VideoFormat, width: int, height: int) -> int:
    """Memory of a frame: with an eighth for what FFmpeg puts around its rows."""
    return width * height * pixels.padded_bits_per_pixel // 8 * 9 // 8
