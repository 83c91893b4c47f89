"""A picture with transparency as planes, once per avatar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import ALPHA, Planes
from musetalk_fast.kernels.reference.paste import convert, store, top
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import conversion
from musetalk_fast.types import Picture


def rgba_to_planes(
    rgb: Picture,
    alpha: NDArray[np.uint8],
    planes: Planes,
    *,
    matrix: str = "bt709",
    full_range: bool = False,
) -> None:
    """Convert straight (not premultiplied) colours, and their alpha, into `planes`.

    Colours become what `rgb_to_planes` makes of them, but where a chroma sample covers pixels of
    different alpha: these weigh in its mean by their alpha, so that what is hidden does not tint
    what is seen. Where all are hidden they weigh the same.

    Args:
        rgb: (H, W, 3) uint8 RGB, C-contiguous, of the planes' size.
        alpha: (H, W) uint8: 0 is hidden, 255 opaque.
        planes: of a layout with alpha; written whole, but for what lies between the rows.

    Raises:
        ValueError: a picture or alpha of another shape or dtype, or a layout without alpha.
    """
    layout = planes.layout
    if alpha.shape != rgb.shape[:2] or alpha.dtype != np.uint8 or layout.alpha is None:
        raise ValueError(f"alpha is {alpha.dtype} {alpha.shape} for {layout.name} {rgb.shape}")
    rgb_to_planes(rgb, planes, matrix=matrix, full_range=full_range)
    most = (1 << layout.depth) - 1
    planes.samples(ALPHA)[...] = (alpha.astype(np.uint32) * most + 127) // 255 << layout.shift
    rows, columns = np.nonzero(_is_mixed(_blocks(alpha, planes)))
    if not rows.size:
        return
    weights = _blocks(alpha, planes)[rows, columns].astype(np.int32)
    pixels = _blocks(rgb, planes)[rows, columns]
    colours = conversion(matrix, layout.depth, full_range=full_range)
    for component in (1, 2):
        total = (convert(pixels, colours, component) * weights).sum(axis=(1, 2))
        weight = weights.sum(axis=(1, 2))
        mean = (total + (weight >> 1)) // weight
        samples = planes.samples(component)
        changed = samples[rows, columns]
        store(changed, mean.clip(0, top(layout)), layout)
        samples[rows, columns] = changed


def _is_mixed(blocks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    mixed: NDArray[np.bool_] = blocks.min(axis=(2, 3)) != blocks.max(axis=(2, 3))
    return mixed


def _blocks(pixels: NDArray[np.uint8], planes: Planes) -> NDArray[np.uint8]:
    """(rows, columns, down, across, ...): the pixels that each chroma sample covers.

    Beyond an odd edge the last pixels are repeated, as `rgb_to_planes` does.
    """
    layout = planes.layout
    down, across = 1 << layout.chroma_y, 1 << layout.chroma_x
    columns, rows = layout.size(1, planes.width, planes.height)
    missing = rows * down - planes.height, columns * across - planes.width
    if any(missing):
        beside = ((0, missing[0]), (0, missing[1]), *[(0, 0)] * (pixels.ndim - 2))
        pixels = np.pad(pixels, beside, mode="edge")
    return pixels.reshape(rows, down, columns, across, *pixels.shape[2:]).swapaxes(1, 2)
