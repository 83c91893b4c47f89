"""An RGB picture into planes, once per avatar."""

from __future__ import annotations

import time
from typing import Any

import av

from benches.bench_inputs import HEIGHT, PICTURE, WIDTH, assert_nearly, planes_of, to_yuv
from musetalk_fast.kernels.yuv import rgb_to_planes


def test_against_pyav(compare: Any) -> None:
    planes = planes_of(av.VideoFrame(WIDTH, HEIGHT, "yuv420p"))
    rgb_to_planes(PICTURE, planes)
    assert_nearly(planes, planes_of(to_yuv(PICTURE)))
    compare(
        "kernel/picture-1080p",
        "a smooth picture of 1920x1080 to yuv420p",
        lambda: rgb_to_planes(PICTURE, planes),
        "PyAV from_ndarray, reformat",
        lambda: to_yuv(PICTURE),
        rounds=150,
        timer=time.process_time,
    )
