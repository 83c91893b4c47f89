"""What a clip needs of each frame's pixels, by Pillow: a still has time to do it in NumPy."""

from __future__ import annotations

import numpy as np
from PIL import Image

from musetalk_fast.media.partial_picture import PictureLike
from musetalk_fast.types import CROP_SIZE, Box, Crop, Picture


def crop_rows(picture: PictureLike, box: Box, first: int) -> Crop:
    """The rows from `first` on of a box that is scaled to a crop.

    As `crop.photo_crop`, but for a box that is larger than a crop: Pillow's triangle filter takes
    the place of the mean of bilinear samples.

    Args:
        picture: (H, W, 3) uint8 RGB; beyond it its border pixels repeat.

    Returns:
        (256 - first, 256, 3) uint8 RGB, contiguous.
    """
    step = box.height / CROP_SIZE
    # Two pixels more on each side, for the samples between the last ones and those beyond.
    margin = 2 + int(max(step, box.width / CROP_SIZE, 1))
    left, top = box.x - margin, box.y + int(first * step) - margin
    right, bottom = box.x + box.width + margin, box.y + box.height + margin
    piece = _padded(picture, left, top, right, bottom)
    upper = box.y + first * step - top
    place = (margin, upper, margin + box.width, box.y + box.height - top)
    size = (CROP_SIZE, CROP_SIZE - first)
    return np.array(Image.fromarray(piece).resize(size, Image.Resampling.BILINEAR, place))


def _padded(picture: PictureLike, left: int, top: int, right: int, bottom: int) -> Picture:
    """A rectangle of a picture, which may reach beyond it."""
    height, width = picture.shape[:2]
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return np.ascontiguousarray(picture[top:bottom, left:right])
    rows = np.clip(np.arange(top, bottom), 0, height - 1)
    columns = np.clip(np.arange(left, right), 0, width - 1)
    inside = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.asarray(inside[(rows - rows[0])[:, None], columns - columns[0]])
