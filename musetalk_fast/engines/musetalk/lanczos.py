"""A box of a picture as MuseTalk's 256 x 256 input: OpenCV's `INTER_LANCZOS4`.

Eight taps in each direction, whatever the scale: sinc(d) * sinc(d / 4), normalised. Taps beyond the
box repeat its edge. Source: OpenCV's documentation of `cv::resize`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.types import CROP_SIZE, Box, Crop, Picture

_TAPS = 8


def mouth_input(picture: Picture, box: Box) -> Crop:
    """Scale a box of a picture to a crop.

    Args:
        picture: (H, W, 3) uint8 RGB; beyond it its border pixels repeat.
        box: of a face.

    Returns:
        (256, 256, 3) uint8 RGB.
    """
    height, width = picture.shape[:2]
    rows, down = _taps(box.y, box.height, height)
    columns, across = _taps(box.x, box.width, width)
    left, right = int(columns.min()), int(columns.max()) + 1
    piece = picture[:, left:right]
    tall = np.zeros((CROP_SIZE, right - left, 3), np.float32)
    for tap in range(_TAPS):
        tall += piece[rows[:, tap]] * down[:, tap, None, None]
    out = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.float32)
    for tap in range(_TAPS):
        out += tall[:, columns[:, tap] - left] * across[None, :, tap, None]
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def _taps(start: int, size: int, limit: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """(256, 8) places in a row of the picture, and their weights."""
    centres = (np.arange(CROP_SIZE) + 0.5) * (size / CROP_SIZE) - 0.5
    inputs = np.floor(centres).astype(np.intp)[:, None] + np.arange(1 - _TAPS // 2, 1 + _TAPS // 2)
    distance = inputs - centres[:, None]
    weights = np.sinc(distance) * np.sinc(distance / (_TAPS // 2))
    weights /= weights.sum(axis=1, keepdims=True)
    places = np.clip(np.clip(inputs, 0, size - 1) + start, 0, limit - 1)
    return places, weights.astype(np.float32)
