from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np

from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.picture import picture_to_planes
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.types import Box, Face

WIDTH, HEIGHT, SIDE, X, Y = 1920, 1080, 430, 701, 277


def _smooth(height: int, width: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 6)


def _jaw() -> np.ndarray:
    """A soft half ellipse below the middle of the box, as MuseTalk's mask is."""
    y, x = np.mgrid[SIDE // 2 : SIDE, 0:SIDE]
    distance = np.hypot((x - SIDE / 2) / (SIDE * 0.42), (y - SIDE / 2) / (SIDE * 0.46))
    return np.clip((1.05 - distance) * 1500, 0, 255).astype(np.uint8)


MASK = _jaw()
FACE = Face(0, Box(X, Y, SIDE, SIDE), Box(X, Y + SIDE // 2, SIDE, SIDE - SIDE // 2), MASK)


def _planes(frame: av.VideoFrame) -> Planes:
    strides = [plane.line_size for plane in frame.planes]
    return Planes(LAYOUTS["yuv420p"], WIDTH, HEIGHT, list(frame.planes), strides)


class _Plain:
    """What everyone writes: resize, blend in RGB, convert the whole frame."""

    def __init__(self, picture: np.ndarray) -> None:
        self.picture = picture
        self.weights = (MASK.astype(np.float32) / 255)[:, :, None]

    def __call__(self, crop: np.ndarray) -> av.VideoFrame:
        scaled = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        whole = self.picture.copy()
        part = whole[Y + SIDE // 2 : Y + SIDE, X : X + SIDE]
        part[:] = part + self.weights * (scaled[SIDE // 2 :].astype(np.float32) - part) + 0.5
        return av.VideoFrame.from_ndarray(whole, format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )


def test_against_opencv_numpy_pyav(race: Any) -> None:
    picture, crop = _smooth(HEIGHT, WIDTH, 1), _smooth(256, 256, 2)
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    planes, paste, plain = _planes(frame), Paste(FACE, WIDTH, HEIGHT, LAYOUTS["yuv420p"]), None
    picture_to_planes(picture, planes)
    paste.paste(crop, 0, planes)
    plain = _Plain(picture)
    theirs = _planes(plain(crop))
    for number in range(3):
        difference = planes.samples(number).astype(int) - theirs.samples(number)
        assert np.abs(difference).max() <= 3
        assert np.abs(difference).mean() < 0.6
    cv2.setNumThreads(1)
    race.run(
        "kernel/paste-430",
        lambda: paste.paste(crop, 0, planes),
        "OpenCV resize, NumPy blend, PyAV reformat",
        lambda: plain(crop),
        rounds=400,
        rival_every=8,
    )


def test_against_opencvs_resize_alone(race: Any) -> None:
    crop, cut = _smooth(256, 256, 2), cv2.setNumThreads
    cut(1)
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    planes, paste = _planes(frame), Paste(FACE, WIDTH, HEIGHT, LAYOUTS["yuv420p"])
    scaled = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    assert scaled.shape == (SIDE, SIDE, 3)
    race.run(
        "kernel/paste-430-resize",
        lambda: paste.paste(crop, 0, planes),
        "OpenCV resize alone",
        lambda: cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR),
        rounds=1000,
    )
