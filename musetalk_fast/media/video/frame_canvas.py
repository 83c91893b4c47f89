"""Frames in a larger one, and what is seen beside them: a colour, a picture, or themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from musetalk_fast.kernels.planes import ALPHA, PixelLayout, Planes
from musetalk_fast.kernels.tone_map import CropTable
from musetalk_fast.kernels.yuv import components_to_planes, rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.media.frame_size import Geometry, Size
from musetalk_fast.media.image import Background, Still
from musetalk_fast.media.picture.canvas import BLUR_DEVIATION, BLUR_STEP
from musetalk_fast.media.picture.colours import parse_colour
from musetalk_fast.media.picture.transparency import BLUR, TRANSPARENT, WHITE, cover
from musetalk_fast.media.video.frame_filter import FrameFilter
from musetalk_fast.types import Box, ColourTags, Picture

if TYPE_CHECKING:
    import av


class FrameCanvas:
    """Lays frames of one size into frames of another; serves one thread at a time.

    Args:
        geometry: `shown` says where frames go, and how large they are.
        layout: of all frames.
        colour: what their code values mean.
        background: behind them.
        table: brings its SDR to these code values, in place of their matrix.
    """

    def __init__(
        self,
        geometry: Geometry,
        layout: PixelLayout,
        colour: ColourTags,
        background: Background,
        table: CropTable | None = None,
    ) -> None:
        self._shown = geometry.shown
        self._canvas = Planes.allocate(layout, *geometry.size)
        if background != BLUR:
            rgb = _backdrop(background, geometry.size)
            if table is None:
                rgb_to_planes(rgb, self._canvas, **coding_of(colour))
            else:
                components_to_planes(table.components(rgb), self._canvas)
        if background == TRANSPARENT and layout.alpha is not None:
            self._canvas.samples(ALPHA)[...] = 0
        self._blur = _blurring(geometry, layout, colour) if background == BLUR else None

    def framed(self, frame: av.VideoFrame) -> Planes:
        """A frame in its place, until the next one is."""
        if self._blur is not None:
            _copy(self._blur(frame), self._canvas, None)
        _copy(frame, self._canvas, self._shown)
        return self._canvas


def _backdrop(background: Background, size: Size) -> Picture:
    width, height = size
    if isinstance(background, Still):
        return np.ascontiguousarray(cover(background.rgb, width, height))
    if background is None or background == TRANSPARENT:
        background = WHITE
    return np.full((height, width, 3), parse_colour(background), np.uint8)


def _blurring(geometry: Geometry, layout: PixelLayout, colour: ColourTags) -> FrameFilter:
    """A blurred copy of a frame that covers the canvas; as `picture.canvas.blurred`."""
    return FrameFilter(
        (geometry.shown.width, geometry.shown.height),
        layout.name,
        colour,
        _blurred(geometry, layout),
    )


def _blurred(geometry: Geometry, layout: PixelLayout) -> Iterator[str]:
    (width, height), shown = geometry.size, geometry.shown
    scale = min(shown.width / width, shown.height / height)
    across, down = (max(2, round(side * scale / 2) * 2) for side in (width, height))
    yield f"crop={across}:{down}:{(shown.width - across) // 4 * 2}:{(shown.height - down) // 4 * 2}"
    small = [max(2, -(-side // BLUR_STEP)) for side in (width, height)]
    yield f"scale={small[0]}:{small[1]}:flags=area"
    yield f"gblur=sigma={BLUR_DEVIATION * max(small):.3f}"
    yield f"scale={width}:{height}:flags=bicubic"
    yield f"format={layout.name}"


def _copy(frame: av.VideoFrame, canvas: Planes, place: Box | None) -> None:
    layout, buffers = canvas.layout, frame.planes
    strides = [plane.line_size for plane in buffers]
    planes = Planes(layout, frame.width, frame.height, buffers, strides)
    left, top = (0, 0) if place is None else (place.x, place.y)
    for number in range(len(layout.all_components)):
        x, y = layout.size(number, left, top)
        samples = planes.samples(number)
        rows, columns = samples.shape
        canvas.samples(number)[y : y + rows, x : x + columns] = samples
