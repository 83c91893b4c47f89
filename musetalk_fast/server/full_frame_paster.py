"""Crops pasted into the avatar's RGB picture, for clients that want full frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.resampling import Band, exact_weights
from musetalk_fast.types import CROP_SIZE, Crop, Face, Picture


class FullFramePaster:
    """Scales crops to a face's box, bilinearly, and blends them by its mask.

    Args:
        picture: (H, W, 3) uint8 RGB: the avatar.
        face: whose mask's box lies inside the picture.
    """

    def __init__(self, picture: Picture, face: Face) -> None:
        box, place = face.box, face.mask_box
        self._picture = picture
        self._rows = slice(place.y, place.y + place.height)
        self._columns = slice(place.x, place.x + place.width)
        down = np.arange(place.y - box.y, place.y - box.y + place.height)
        across = np.arange(place.x - box.x, place.x - box.x + place.width)
        self._down = exact_weights(CROP_SIZE, box.height, down, sharp=False)
        self._across = exact_weights(CROP_SIZE, box.width, across, sharp=False)
        self._weight = face.mask[:, :, None].astype(np.float32) / 255

    def frame(self, crop: Crop) -> Picture:
        """The picture with (256, 256, 3) uint8 RGB in its box; a new array."""
        frame = self._picture.copy()
        place = frame[self._rows, self._columns]
        scaled = _scaled(_scaled(crop.astype(np.float32), self._down, 0), self._across, 1)
        blended = place + (scaled - place) * self._weight
        place[:] = np.clip(np.rint(blended), 0, 255).astype(np.uint8)
        return frame


def _scaled(values: NDArray[np.float32], band: Band, axis: int) -> NDArray[np.float32]:
    """Rows (axis 0) or columns (1) of (h, w, 3), each from its few neighbours: no matrix."""
    weights = band.weights.astype(np.float32)
    shape = (-1, 1, 1) if axis == 0 else (-1, 1)
    parts = [
        np.take(values, band.first + tap, axis) * weights[:, tap].reshape(shape)
        for tap in range(weights.shape[1])
    ]
    return np.asarray(sum(parts[1:], parts[0]), np.float32)
