"""What the in-process benches share: a picture, a crop and a real face's mask, and the naive way.

The naive way is what is usually written: OpenCV scales, NumPy blends in RGB, PyAV converts the full
frame.
"""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.media.face import find_face
from musetalk_fast.media.face.mask import jaw_mask
from musetalk_fast.media.image import Still, load_still
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.types import AvatarOptions, Box, Crop, Face, Picture, SourceRun

PORTRAIT = Path(__file__).parents[1] / "examples" / "portrait.png"
WIDTH, HEIGHT = 1920, 1080
BOX = Box(701, 277, 430, 430)
MAX_LEVELS, MAX_MEAN_LEVELS = 3, 0.6
"""By which the naive way differs from ours: it rounds in RGB and converts in steps of its own."""


def smooth(height: int, width: int, seed: int) -> Picture:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 6)
    return cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX)


PICTURE, CROP = smooth(HEIGHT, WIDTH, 1), smooth(256, 256, 2)


def stretched_face() -> Face:
    """The face of the example's portrait, stretched to the box."""
    rgb = load_still(PORTRAIT, background="white", resolution=None).rgb
    found = find_face(rgb, AvatarOptions())
    corner, side = np.array(found.box[:2]), np.array(found.box[2:])
    points = (found.landmarks.points[:, :2] - corner) * np.array(BOX[2:]) / side + np.array(BOX[:2])
    return Face(0, BOX, *jaw_mask(points, BOX, WIDTH, HEIGHT))


def still_planes(rgb: Picture, pix_fmt: str = "yuv420p") -> Planes:
    """A still's planes as a render gets them."""
    avatar = StillSource(Still(PORTRAIT, rgb, "", ()))
    return next(avatar.planes(SourceRun(0, 0, 1), LAYOUTS[pix_fmt]))


def planes_of(frame: av.VideoFrame) -> Planes:
    strides = [plane.line_size for plane in frame.planes]
    return Planes(LAYOUTS["yuv420p"], frame.width, frame.height, list(frame.planes), strides)


def to_yuv(rgb: Picture) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
    )


def resize(crop: Crop, interpolation: int = cv2.INTER_LINEAR) -> Crop:
    return cv2.resize(crop, (BOX.width, BOX.height), interpolation=interpolation)


class Naive:
    """Blends scaled crops into the picture, and converts all of it."""

    def __init__(self, face: Face) -> None:
        cv2.setNumThreads(1)
        self._place = face.mask_box
        self._weights = (face.mask.astype(np.float32) / 255)[:, :, None]

    def __call__(self, scaled: Crop) -> av.VideoFrame:
        x, y, width, height = self._place
        own = scaled[y - BOX.y : y - BOX.y + height, x - BOX.x : x - BOX.x + width]
        full = PICTURE.copy()
        part = full[y : y + height, x : x + width]
        part[:] = part + self._weights * (own.astype(np.float32) - part) + 0.5
        return to_yuv(full)


def assert_nearly(
    ours: Planes, theirs: Planes, most: int = MAX_LEVELS, mean: float = MAX_MEAN_LEVELS
) -> None:
    for number in range(3):
        difference = np.abs(ours.samples(number).astype(int) - theirs.samples(number))
        assert difference.max() <= most
        assert difference.mean() < mean
