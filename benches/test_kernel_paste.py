"""A raw crop into a 430x430 box of a 1080p yuv420p frame, under a real face's mask."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from musetalk_fast.inputs.face import find_face
from musetalk_fast.inputs.image import load_still
from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.picture import picture_to_planes
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.server.engines.preview.mask import jaw_mask
from musetalk_fast.types import AvatarOptions, Box, Crop, Face, Picture

PORTRAIT = Path(__file__).parents[1] / "examples" / "portrait.png"
WIDTH, HEIGHT = 1920, 1080
BOX = Box(701, 277, 430, 430)


def _smooth(height: int, width: int, seed: int) -> Picture:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 6)
    return cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX)


PICTURE, CROP = _smooth(HEIGHT, WIDTH, 1), _smooth(256, 256, 2)


@pytest.fixture(scope="module")
def face() -> Face:
    """The face of the example's portrait, stretched to the box."""
    rgb = load_still(PORTRAIT, background="white", resolution=None).rgb
    found = find_face(rgb, AvatarOptions())
    corner, side = np.array(found.box[:2]), np.array(found.box[2:])
    points = (found.landmarks.points[:, :2] - corner) * np.array(BOX[2:]) / side + np.array(BOX[:2])
    return Face(0, BOX, *jaw_mask(points, BOX, WIDTH, HEIGHT))


def _planes(frame: av.VideoFrame) -> Planes:
    strides = [plane.line_size for plane in frame.planes]
    return Planes(LAYOUTS["yuv420p"], WIDTH, HEIGHT, list(frame.planes), strides)


class _Ours:
    """As the compositor does it: onto the avatar's planes, into a frame's."""

    def __init__(self, face: Face, *, sharp: bool = False) -> None:
        self.planes = _planes(av.VideoFrame(WIDTH, HEIGHT, "yuv420p"))
        picture_to_planes(PICTURE, self.planes)
        self._avatar = self.planes.copy()
        self._paste = Paste(face, WIDTH, HEIGHT, LAYOUTS["yuv420p"], sharp=sharp)
        rows = self._paste.rows
        self._window = CROP[rows.first : rows.first + rows.count]

    def __call__(self) -> None:
        self._paste.paste(self._window, self._paste.rows.first, self.planes, self._avatar)


class _Plain:
    """What everyone writes: resize, blend in RGB under the mask, convert the whole frame."""

    def __init__(self, face: Face, interpolation: int = cv2.INTER_LINEAR) -> None:
        self._place = face.mask_box
        self._weights = (face.mask.astype(np.float32) / 255)[:, :, None]
        self._interpolation = interpolation

    def __call__(self) -> av.VideoFrame:
        scaled = cv2.resize(CROP, (BOX.width, BOX.height), interpolation=self._interpolation)
        x, y, width, height = self._place
        own = scaled[y - BOX.y : y - BOX.y + height, x - BOX.x : x - BOX.x + width]
        whole = PICTURE.copy()
        part = whole[y : y + height, x : x + width]
        part[:] = part + self._weights * (own.astype(np.float32) - part) + 0.5
        return av.VideoFrame.from_ndarray(whole, format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )


def _is_nearly(ours: Planes, theirs: Planes) -> None:
    """The rival rounds in RGB and converts in steps of its own: three levels at most."""
    for number in range(3):
        difference = np.abs(ours.samples(number).astype(int) - theirs.samples(number))
        assert difference.max() <= 3
        assert difference.mean() < 0.6


def test_against_opencv_numpy_pyav(compare: Any, face: Face) -> None:
    cv2.setNumThreads(1)
    ours, plain = _Ours(face), _Plain(face)
    ours()
    _is_nearly(ours.planes, _planes(plain()))
    compare(
        "kernel/paste-430",
        "raw 256x256 crop, box 430x430, real mask, yuv420p 1080p",
        ours,
        "cv2.resize, NumPy blend, PyAV reformat",
        plain,
        rounds=800,
        rival_every=10,
        timer=time.process_time,
    )


def test_against_opencvs_resize_alone(compare: Any, face: Face) -> None:
    """Half of the work: only the scaling, of all rows, in RGB."""
    cv2.setNumThreads(1)
    ours = _Ours(face)

    def resize() -> Crop:
        return cv2.resize(CROP, (BOX.width, BOX.height), interpolation=cv2.INTER_LINEAR)

    ours()
    assert resize().shape == (BOX.height, BOX.width, 3)
    compare(
        "kernel/paste-430-resize",
        "raw 256x256 crop, box 430x430, real mask, yuv420p 1080p",
        ours,
        "cv2.resize(INTER_LINEAR) of the three channels alone",
        resize,
        rounds=2000,
    )


def test_sharp_against_opencv_numpy_pyav(compare: Any, face: Face) -> None:
    """Lanczos-3 of six taps; OpenCV's has eight, so pictures differ at edges and are not held."""
    cv2.setNumThreads(1)
    ours, plain = _Ours(face, sharp=True), _Plain(face, cv2.INTER_LANCZOS4)
    ours()
    difference = np.abs(ours.planes.samples(0).astype(int) - _planes(plain()).samples(0))
    assert difference.mean() < 1
    compare(
        "kernel/paste-430-sharp",
        "raw 256x256 crop, box 430x430, real mask, yuv420p 1080p, Lanczos-3",
        ours,
        "cv2.resize(INTER_LANCZOS4), NumPy blend, PyAV reformat",
        plain,
        rounds=400,
        rival_every=10,
        timer=time.process_time,
    )
