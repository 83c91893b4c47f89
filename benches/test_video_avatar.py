"""A moving avatar's frames, beside what cannot be saved: decoding, a copy, and a still's paste."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from benches.bench_inputs import BOX, CROP, HEIGHT, PICTURE, WIDTH, planes_of, stretched_face
from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.paste_rows import window
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.avatar import AvatarSource, open_avatar
from musetalk_fast.rendering.face_table import FaceTable
from musetalk_fast.rendering.face_table_writer import FaceTableWriter
from musetalk_fast.rendering.shown_frames import shown_frames
from musetalk_fast.types import Box, CropEncoding, Face, SourceRun
from musetalk_fast.video.compositor import blank_frame
from musetalk_fast.video.video_compositor import VideoCompositor
from musetalk_fast.wire.messages import Frame

FRAMES = 50
LAYOUT = LAYOUTS["yuv420p"]


def _video(path: Path) -> Path:
    """A picture that moves, and noise on it, as a camera makes it."""
    noise = np.random.default_rng(3).integers(0, 9, PICTURE.shape, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "20"}
        for index in range(FRAMES):
            moved = np.roll(
                PICTURE // 2 + np.roll(noise, 37 * index, 0), (index, 2 * index), (0, 1)
            )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, "rgb24")))
        container.mux(stream.encode(None))
    return path


def _faces(folder: Path) -> FaceTable:
    """A face that moves, and whose box changes its size by a few pixels, as a tracked one does."""
    still, writer = stretched_face(), FaceTableWriter(folder / "faces.bin", FRAMES)
    writer.add(_moved(still, index) for index in range(FRAMES))
    return writer.commit(b"")


def _moved(face: Face, index: int) -> Face:
    x, y, wider = index, -index // 2, index % 7
    box = Box(BOX.x + x, BOX.y + y, BOX.width + wider, BOX.height + index % 5)
    place = face.mask_box._replace(x=face.mask_box.x + x, y=face.mask_box.y + y)
    return replace(face, source=index, box=box, mask_box=place)


class _Ours:
    """As an encoding thread does it."""

    def __init__(self, avatar: AvatarSource, faces: FaceTable) -> None:
        self._avatar, self._faces = avatar, faces
        (face,) = faces.read(SourceRun(0, 0, 1))
        assert face is not None
        rows = window(replace(face, box=face.box._replace(height=BOX.height)))
        first, stop = max(0, rows.first - 4), min(256, rows.first + rows.count + 4)
        data = CROP[first:stop].tobytes()
        rows = replace(rows, first=first, count=stop - first)
        self._crops = [
            Frame(index=n, source=n, encoding=CropEncoding.RAW, data=data, rows=rows)
            for n in range(FRAMES)
        ]

    def __call__(self) -> None:
        shown = shown_frames(self._avatar, self._faces, (SourceRun(0, 1, FRAMES),), LAYOUT)
        size = (WIDTH, HEIGHT)
        made = VideoCompositor(shown, size, LAYOUT, Fraction(25), self._avatar.colour)
        for index, crop in enumerate(self._crops):
            made.compose(crop, index)


def _least(path: Path, face: Face, avatar: AvatarSource) -> Callable[[], None]:
    """Decodes the file with PyAV, copies each frame's planes, pastes where a still has its face."""
    frame = blank_frame(WIDTH, HEIGHT, LAYOUT.name, Fraction(25), avatar.colour)
    planes, paste = planes_of(frame), Paste(face, WIDTH, HEIGHT, LAYOUT)

    def run() -> None:
        with av.open(str(path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for decoded in container.decode(video=0):
                planes_of(decoded).copy_to(planes)
                paste.paste(CROP, 0, planes)

    return run


def test_against_decoding_a_copy_and_a_paste(compare: Any, tmp_path: Path) -> None:
    path = _video(tmp_path / "avatar.mp4")
    avatar, faces = open_avatar(path, background="white", resolution=None), _faces(tmp_path)
    compare(
        "stage/video-avatar-1080p",
        f"{FRAMES} frames of a 1080p H.264 avatar, a face of its own in each; CPU, no encoder",
        _Ours(avatar, faces),
        "PyAV's decoder, a copy of the planes, a still's paste",
        _least(path, stretched_face(), avatar),
        rounds=15,
        timer=time.process_time,
    )
