"""The frames of a run, forward or backward, prepared; backward in as much memory as there is."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING

from musetalk_fast.media.video.display_matrix import Turn
from musetalk_fast.media.video.filter_graph import filtered
from musetalk_fast.media.video.frame_decoder import FrameDecoder, FrameShape, Numbered
from musetalk_fast.media.video.frame_filter import Preparation
from musetalk_fast.media.video.tone_curve import ToneCurve
from musetalk_fast.media.video.tone_mapping import MAPPED_FROM, MAPPED_TO, tone_mapped
from musetalk_fast.types import BT709, Box, SourceRun

if TYPE_CHECKING:
    import av

_REVERSE_BYTES = 256 << 20
"""Of the frames that all runs of a video together keep to show them backward, about. A group of
pictures that is larger than a run's share is decoded again for each part of it: 10 s at 1920x1080
and 25 frames a second in six parts, where one run has the half of it."""
_SHARE_AT_LEAST = 32 << 20
"""Of one run, however many there are: with less, decoding again would take most of the time."""
_AT_ONCE = 8
"""Frames, where groups of pictures are shorter: a seek for each frame would cost more."""


class ReverseMemory:
    """What the runs of a video that go backward may keep."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = self._taken = 0

    @contextmanager
    def shared(self) -> Iterator[Callable[[], int]]:
        """For one run: what is given takes a share, in bytes, in place of the last one."""
        own = 0

        def take() -> int:
            nonlocal own
            with self._lock:
                left = _REVERSE_BYTES - (self._taken - own)
                share = max(_SHARE_AT_LEAST, min(_REVERSE_BYTES // (self._runs + 1), left))
                self._taken += share - own
                own = share
            return share

        with self._lock:
            self._runs += 1
        try:
            yield take
        finally:
            with self._lock:
                self._runs -= 1
                self._taken -= own


def run_frames(
    decoder: FrameDecoder,
    run: SourceRun,
    preparation: Preparation,
    pix_fmt: str,
    memory: ReverseMemory,
    curve: ToneCurve | None = None,
) -> Iterator[av.VideoFrame]:
    """The frames of a run that is not empty, in a pixel format; only to be read.

    Args:
        curve: by which they are tone-mapped.
    """
    frames = _Prepared(decoder, preparation, pix_fmt, curve)
    if run.step == 0:
        (frame,) = frames.between(run.first, run.first)
        yield from repeat(frame, run.count)
    elif run.step > 0:
        yield from frames.between(run.first, run.first + run.count - 1)
    else:
        with memory.shared() as take:
            yield from _backward(frames, run.first, run.first - run.count + 1, take)


def _backward(
    frames: _Prepared, first: int, last: int, take: Callable[[], int]
) -> Iterator[av.VideoFrame]:
    """From `first` down to `last`: groups of pictures, or as much of one as may be kept."""
    here = first
    while here >= last:
        most = max(1, take() // frames.bytes_each)
        start = max(last, here - most + 1, frames.group_start(max(last, here - _AT_ONCE + 1)))
        kept = deque(frames.between(start, here))
        here = start - 1
        while kept:
            yield kept.pop()


class _Prepared:
    """The prepared frames of a video."""

    def __init__(
        self,
        decoder: FrameDecoder,
        preparation: Preparation,
        pix_fmt: str,
        curve: ToneCurve | None,
    ) -> None:
        self._decoder, self._preparation, self._pix_fmt = decoder, preparation, pix_fmt
        self._curve = curve
        self._filtered_to = pix_fmt if curve is None else MAPPED_FROM
        self._is_filtered = preparation.changes(self._filtered_to)

    @property
    def bytes_each(self) -> int:
        """Memory of one of them, about."""
        from av import VideoFormat

        shape = self._preparation.shape
        if not self._is_filtered and self._curve is None:
            return frame_bytes(VideoFormat(shape.pix_fmt), shape.width, shape.height)
        return frame_bytes(VideoFormat(self._pix_fmt), *self._preparation.size)

    def group_start(self, frame: int) -> int:
        """The first frame that is decoded together with this one."""
        return frame - self._decoder.distance(frame, seeking=True)

    def between(self, first: int, last: int) -> Iterator[av.VideoFrame]:
        """From `first` to `last`."""
        frames = self._filtered(first, last)
        if self._curve is not None:
            frames = tone_mapped(frames, self._curve)
            if self._pix_fmt != MAPPED_TO:
                frames = filtered(frames, _as_mapped(self._preparation), self._pix_fmt)
        for _, frame in frames:
            yield frame

    def _filtered(self, first: int, last: int) -> Iterator[Numbered]:
        if not self._is_filtered:
            yield from self._decoder.frames(first, last)
            return
        frames = filtered(self._around(first, last), self._preparation, self._filtered_to)
        for each in frames:
            if first <= each.number <= last:
                yield each

    def _around(self, first: int, last: int) -> Iterator[Numbered]:
        if self._preparation.is_interlaced:
            # Deinterlacing looks at the frames before and after.
            first, last = max(0, first - 1), min(self._decoder.total - 1, last + 1)
        return self._decoder.frames(first, last)


def _as_mapped(made: Preparation) -> Preparation:
    """Of frames that are tone-mapped: only their format may be another."""
    return replace(
        made,
        shape=FrameShape(*made.size, MAPPED_TO),
        tags=BT709,
        turn=Turn.NONE,
        window=Box(0, 0, *made.size),
        is_whole=True,
        is_interlaced=False,
    )


def frame_bytes(pixels: av.VideoFormat, width: int, height: int) -> int:
    """Memory of a frame: with an eighth for what FFmpeg puts around its rows."""
    return width * height * pixels.padded_bits_per_pixel // 8 * 9 // 8
