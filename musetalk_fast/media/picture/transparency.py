"""Transparent parts: laid over something, or kept, with colours that do not show as a fringe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.types import Picture

TRANSPARENT = "transparent"
"""In the place of a colour behind transparent parts: they stay as they are."""

WHITE = "white"

BLUR = "blur"
"""In the place of a colour: a blurred copy of the picture itself, which covers the frame."""

Alpha = NDArray[np.uint8]
"""(H, W) uint8: 0 is transparent, 255 opaque."""

_SEEN = 64
"""Alpha from which a colour lends itself to what is hidden: fainter ones are coarse, once they were
multiplied by their alpha in eight bits."""

_BAND_ROWS = 64
"""At a time, as intermediate values are wider than the pixels."""


def over(rgb: Picture, alpha: Alpha, behind: Picture | tuple[int, int, int]) -> Picture:
    """Lay a picture over a colour or another of its size, in the codes of sRGB.

    Args:
        rgb: straight colours: not multiplied by alpha.
    """
    out = np.empty(rgb.shape, np.uint8)
    back = np.broadcast_to(np.asarray(behind, np.uint8), rgb.shape)
    for first in range(0, len(rgb), _BAND_ROWS):
        rows = slice(first, first + _BAND_ROWS)
        weight = alpha[rows, :, None].astype(np.uint16)
        # At most 255 x 255 + 127, which 16 bits hold.
        mixed = rgb[rows] * weight + back[rows] * (255 - weight)
        out[rows] = (mixed + np.uint16(127)) // np.uint16(255)
    return out


def cover(rgb: Picture, width: int, height: int) -> Picture:
    """Scale a picture to the smallest size that covers another, and take its middle."""
    from PIL import Image

    down, across = rgb.shape[:2]
    scale = min(across / width, down / height)
    left, top = (across - width * scale) / 2, (down - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    if (across, down) == (width, height):
        return rgb
    return np.asarray(
        Image.fromarray(rgb).resize((width, height), Image.Resampling.LANCZOS, box=box)
    )


def resized(
    rgb: Picture,
    alpha: Alpha | None,
    size: tuple[int, int],
    box: tuple[float, float, float, float],
) -> tuple[Picture, Alpha | None]:
    """Scale colours, and alpha where there is one: hidden colours count for nothing.

    Args:
        size: (width, height) to reach.
        box: what is scaled: left, top, right, bottom in pixels.
    """
    from PIL import Image

    # Pillow multiplies colours by their alpha, and divides again.
    picture = Image.fromarray(rgb if alpha is None else np.dstack([rgb, alpha]))
    scaled = np.asarray(picture.resize(size, Image.Resampling.LANCZOS, box=box))
    return scaled[..., :3], scaled[..., 3] if alpha is not None else None


def extended(rgb: Picture, alpha: Alpha) -> Picture:
    """The same colours, but where alpha is 0 those of what is seen nearby, the softer the farther.

    Whatever a file has there would shine through at the edges: a video's coarser chroma, its
    losses, and every scaling mix neighbours, and what draws a mouth sees them.
    """
    from PIL import Image

    levels = [np.dstack([rgb, alpha])]
    while max(levels[-1].shape[:2]) > 1:
        smaller = np.array(Image.fromarray(levels[-1]).reduce(2))  # weighs colours by their alpha
        smaller[..., 3] = np.where(smaller[..., 3] >= _SEEN, 255, 0)
        levels.append(smaller)
    filled = levels.pop()[..., :3]
    while levels:
        known = levels.pop()
        height, width = known.shape[:2]
        below = Image.fromarray(filled).resize((width, height), Image.Resampling.BILINEAR)
        filled = np.where(known[..., 3:] > 0, known[..., :3], np.asarray(below))
    return filled
