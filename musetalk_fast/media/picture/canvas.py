"""Places a picture in a frame: scaled, with transparent bars."""

from __future__ import annotations

import numpy as np

from musetalk_fast.media.frame_size import Geometry
from musetalk_fast.media.picture.transparency import Alpha, cover, resized
from musetalk_fast.types import Picture

BLUR_STEP = 8
"""Pixels: a blur leaves nothing finer, and is made of a picture as many times smaller."""
BLUR_DEVIATION = 0.03
"""Standard deviation, of the frame's longer side."""


def scaled(rgb: Picture, alpha: Alpha | None, geometry: Geometry) -> tuple[Picture, Alpha | None]:
    """What of a picture is shown, as large as it is shown.

    Args:
        rgb: (H, W, 3) uint8, upright; of pixels that are not square, so that its size is another
            than the geometry's source.
        alpha: (H, W) uint8; None: all of it is opaque.
    """
    place, shown = geometry.place, geometry.shown
    height, width = rgb.shape[:2]
    if (width, height) == geometry.source and not geometry.is_scaled:
        x, y = shown.x - place.x, shown.y - place.y
        rows, columns = slice(y, y + shown.height), slice(x, x + shown.width)
        return rgb[rows, columns], None if alpha is None else alpha[rows, columns]
    across, down = width / geometry.source[0], height / geometry.source[1]
    left, top, right, bottom = geometry.window
    # Pillow refuses what a rounding puts beyond the picture.
    box = (
        *(max(0.0, left * across), max(0.0, top * down)),
        *(min(float(width), right * across), min(float(height), bottom * down)),
    )
    return resized(rgb, alpha, (shown.width, shown.height), box)


def widened(rgb: Picture, alpha: Alpha | None, geometry: Geometry) -> tuple[Picture, Alpha]:
    """The whole frame: a picture as `scaled` makes it, and nothing in the bars beside it."""
    width, height = geometry.size
    box = geometry.shown
    rows, columns = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
    frame, opacity = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    frame[rows, columns] = rgb
    opacity[rows, columns] = 255 if alpha is None else alpha
    return frame, opacity


def blurred(rgb: Picture, width: int, height: int) -> Picture:
    """A blurred copy of a picture that covers a frame."""
    from PIL import Image, ImageFilter

    small = cover(rgb, *(-(-side // BLUR_STEP) for side in (width, height)))
    radius = BLUR_DEVIATION * max(small.shape[:2])
    soft = Image.fromarray(small).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(soft.resize((width, height), Image.Resampling.BICUBIC))
