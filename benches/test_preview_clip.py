"""The preview engine on a video: all that it costs a frame, beside decoding all of it to RGB."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from musetalk_fast.engines.base import never_cancelled
from musetalk_fast.engines.preview.clip import prepare_clip
from musetalk_fast.engines.preview.mouth import MouthPose
from musetalk_fast.engines.preview.painting import paint
from musetalk_fast.media.avatar import open_asset
from musetalk_fast.media.face import FaceFinder
from musetalk_fast.types import AvatarOptions

PORTRAIT = Path(__file__).parents[1] / "tests/data/grace_hopper.jpg"
WIDTH, HEIGHT, FRAMES = 1280, 720, 75
WANTED_FPS = 25


def _video(path: Path) -> Path:
    """A portrait that pans, zooms and rolls, with a camera's noise."""
    noise = np.random.default_rng(1).integers(-4, 5, (HEIGHT, WIDTH, 3)).astype(np.int16)
    with Image.open(PORTRAIT) as opened, av.open(str(path), "w") as container:
        portrait = opened.convert("RGB")
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(FRAMES):
            shown = _moved(portrait, index / 25) + np.roll(noise, (37 * index, 91 * index), (0, 1))
            rgb = np.clip(shown, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        container.mux(stream.encode(None))
    return path


def _moved(portrait: Image.Image, secs: float) -> Any:
    zoom, roll = 1.1 * (1 + 0.12 * np.sin(1.1 * secs)), np.radians(6 * np.sin(1.7 * secs))
    cos, sin = np.cos(roll) / zoom, np.sin(roll) / zoom
    turn = np.array([[cos, sin], [-sin, cos]])
    middle = np.array([WIDTH / 2 + 40 * np.sin(1.3 * secs), HEIGHT / 2])
    corner = np.array([portrait.width / 2, 0.45 * portrait.height]) - turn @ middle
    affine = tuple(np.column_stack([turn, corner]).ravel())
    bicubic = Image.Resampling.BICUBIC
    return np.asarray(portrait.transform((WIDTH, HEIGHT), Image.Transform.AFFINE, affine, bicubic))


def test_on_a_clip(
    compare: Any, note: Callable[[str], None], tmp_path: Path, one_core: None
) -> None:
    path, finder = _video(tmp_path / "clip.mp4"), FaceFinder()
    spent: list[tuple[float, float]] = []

    def ours() -> None:
        began = time.process_time()
        source = open_asset(path)
        options = AvatarOptions()
        avatar = prepare_clip(source, options, finder, tmp_path, lambda *_: None, never_cancelled)
        ready = time.process_time()
        for number in range(FRAMES):
            assert avatar.faces[number] is not None
            paint(*avatar.posed(number, MouthPose(0.5, 0.1, 0.0)))
        spent.append((ready - began, time.process_time() - ready))

    def decoded() -> None:
        with av.open(str(path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for frame in container.decode(video=0):
                frame.to_ndarray(format="rgb24")

    compare(
        "preview/clip-720p",
        f"{FRAMES} frames of a 720p video: prepared, then a crop of each; CPU",
        ours,
        "PyAV's decoder, each frame as RGB",
        decoded,
        rounds=5,
        timer=time.process_time,
    )
    prepared, crop = np.median(spent, axis=0) / FRAMES * 1e3
    each = prepared + crop
    note(f"preview engine: {1e3 / each:.1f} frames a second of 720p on one core ({prepared:.1f} ms "
         f"CPU a frame to prepare it, {crop:.1f} for its crop); {WANTED_FPS} are wanted, of "
         f"{1e3 / WANTED_FPS:.0f} ms")  # fmt: skip
