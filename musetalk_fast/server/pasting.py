"""Crops pasted into a whole RGB picture, for clients that want finished frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.resampling import exact_weights
from musetalk_fast.types import CROP_SIZE, Crop, Face, Picture


class Pasting:
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
        self._down = _matrix(box.height, place.y - box.y, place.height)
        self._across = _matrix(box.width, place.x - box.x, place.width)
        self._weight = face.mask[:, :, None].astype(np.float32) / 255

    def frame(self, crop: Crop) -> Picture:
        """The picture with (256, 256, 3) uint8 RGB in its box; a new array."""
        frame = self._picture.copy()
        place = frame[self._rows, self._columns]
        columns = np.moveaxis(crop, 2, 0).astype(np.float32) @ self._across.T
        scaled = np.moveaxis(self._down @ columns, 0, 2)
        blended = place + (scaled - place) * self._weight
        place[:] = np.clip(np.rint(blended), 0, 255).astype(np.uint8)
        return frame


def _matrix(length: int, start: int, count: int) -> NDArray[np.float32]:
    """(count, 256) weights of a crop's rows, for outputs `start...` of `length`."""
    band = exact_weights(CROP_SIZE, length, np.arange(start, start + count), sharp=False)
    matrix = np.zeros((count, CROP_SIZE), np.float32)
    inputs = band.first[:, None] + np.arange(band.weights.shape[1])
    matrix[np.arange(count)[:, None], inputs] = band.weights
    return matrix
