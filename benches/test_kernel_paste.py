"""A raw crop into a 430x430 box of a 1080p yuv420p frame, under a real face's mask."""

from __future__ import annotations

import time
from typing import Any

import av
import cv2
import pytest

from benches.bench_inputs import (
    CROP,
    HEIGHT,
    PICTURE,
    WIDTH,
    Naive,
    assert_nearly,
    planes_of,
    resize,
    stretched_face,
)
from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.paste_rows import window
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.types import Face

GIVEN = "raw 256x256 crop, box 430x430, real mask, yuv420p 1080p"
MAX_SHARP_LEVELS, MAX_MEAN_SHARP_LEVELS = 3, 0.6
"""Our Lanczos has six taps, OpenCV's eight: the crop is smooth, so that they agree all the same."""


@pytest.fixture(scope="module")
def face() -> Face:
    return stretched_face()


class _Ours:
    """As the compositor does it: onto the avatar's planes, into a frame's."""

    def __init__(self, face: Face, *, sharp: bool = False) -> None:
        self.planes = planes_of(av.VideoFrame(WIDTH, HEIGHT, "yuv420p"))
        rgb_to_planes(PICTURE, self.planes)
        self._avatar = self.planes.copy()
        self._paste = Paste(face, WIDTH, HEIGHT, LAYOUTS["yuv420p"], sharp=sharp)
        rows = window(face)  # as a server sends it
        self._first, self._window = rows.first, CROP[rows.first : rows.first + rows.count]

    def __call__(self) -> None:
        self._paste.paste(self._window, self._first, self.planes, self._avatar)


def test_against_opencv_numpy_pyav(compare: Any, face: Face) -> None:
    ours, naive = _Ours(face), Naive(face)
    ours()
    assert_nearly(ours.planes, planes_of(naive(resize(CROP))))
    compare(
        "kernel/paste-430",
        GIVEN,
        ours,
        "cv2.resize, NumPy blend, PyAV reformat",
        lambda: naive(resize(CROP)),
        rounds=800,
        rival_every=10,
        timer=time.process_time,
    )


def test_against_opencvs_resize_alone(compare: Any, face: Face) -> None:
    """Half of the work: only the scaling, of all rows, in RGB; blended, it is what ours shows."""
    ours, naive = _Ours(face), Naive(face)
    ours()
    assert_nearly(ours.planes, planes_of(naive(resize(CROP))))
    compare(
        "kernel/paste-430-resize",
        GIVEN,
        ours,
        "cv2.resize(INTER_LINEAR) of the three channels alone",
        lambda: resize(CROP),
        rounds=2000,
    )


def test_sharp_against_opencv_numpy_pyav(compare: Any, face: Face) -> None:
    ours, naive = _Ours(face, sharp=True), Naive(face)

    def theirs() -> av.VideoFrame:
        return naive(resize(CROP, cv2.INTER_LANCZOS4))

    ours()
    assert_nearly(ours.planes, planes_of(theirs()), MAX_SHARP_LEVELS, MAX_MEAN_SHARP_LEVELS)
    compare(
        "kernel/paste-430-sharp",
        f"{GIVEN}, Lanczos-3",
        ours,
        "cv2.resize(INTER_LANCZOS4), NumPy blend, PyAV reformat",
        theirs,
        rounds=400,
        rival_every=10,
        timer=time.process_time,
    )
