"""The frames of an avatar that moves: decoded, copied and pasted as an encoding thread does it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from musetalk_fast.benching.workload import Workload
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.planning.source_frames import as_runs
from musetalk_fast.rendering.face_table_writer import FaceTableWriter
from musetalk_fast.rendering.shown_frames import shown_frames
from musetalk_fast.types import CropEncoding
from musetalk_fast.video.video_compositor import ShownFrame, VideoCompositor

_FRAMES = 50


class Moving(NamedTuple):
    """Microseconds a frame, and the bytes that it has when it is decoded."""

    decode_us: float
    paste_us: float
    planes: int


def shown_of(workload: Workload, faces: Path) -> Iterator[ShownFrame]:
    """What each frame of a workload shows, with a face of its own.

    Args:
        faces: a file to keep them in, as a render does.
    """
    writer = FaceTableWriter(faces, max(workload.sources) + 1)
    writer.add(replace(workload.face, source=source) for source in range(max(workload.sources) + 1))
    runs, layout = tuple(as_runs(workload.sources)), LAYOUTS[workload.encoder.pix_fmt]
    return shown_frames(workload.avatar, writer.commit(b""), runs, layout)


def moving_compositor(workload: Workload, shown: Iterator[ShownFrame]) -> VideoCompositor:
    """What makes its frames, once through."""
    avatar, layout = workload.avatar, LAYOUTS[workload.encoder.pix_fmt]
    size = (avatar.width, avatar.height)
    return VideoCompositor(shown, size, layout, workload.fps, avatar.colour)


def moving_stages(workload: Workload, faces: Path) -> Moving:
    """Decode, copy and paste some frames.

    Args:
        faces: as in `shown_of`.

    Raises:
        errors.InputError: the avatar cannot be decoded.
    """
    shown = _Clocked(shown_of(workload, faces))
    compositor = moving_compositor(workload, shown)
    frames = [workload.frame(number, CropEncoding.RAW) for number in range(_FRAMES + 1)]
    picture = compositor.compose(frames[0], 0)
    planes = sum(plane.buffer_size for plane in picture.planes)
    shown.secs, began = 0.0, time.perf_counter()
    for frame in frames[1:]:
        compositor.compose(frame, frame.index)
    secs = time.perf_counter() - began
    return Moving(shown.secs / _FRAMES * 1e6, (secs - shown.secs) / _FRAMES * 1e6, planes)


class _Clocked(Iterator[ShownFrame]):
    """Counts the seconds that it takes until a frame is there."""

    def __init__(self, shown: Iterator[ShownFrame]) -> None:
        self._shown = shown
        self.secs = 0.0

    def __next__(self) -> ShownFrame:
        began = time.perf_counter()
        try:
            return next(self._shown)
        finally:
            self.secs += time.perf_counter() - began
