"""Frames in a larger one and over something else: a colour, a picture, or themselves, blurred."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import ALPHA, PixelLayout, Planes
from musetalk_fast.kernels.tone_map import CropTable
from musetalk_fast.kernels.yuv import components_to_planes, rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.media.frame_size import Geometry, Size
from musetalk_fast.media.image import Background, Still
from musetalk_fast.media.picture.colours import parse_colour
from musetalk_fast.media.picture.transparency import BLUR, TRANSPARENT, WHITE, cover
from musetalk_fast.media.video.frame_blur import FrameBlur
from musetalk_fast.types import ColourTags, Picture

if TYPE_CHECKING:
    import av

_Samples: TypeAlias = NDArray[Any]
"""Of 8 bits, or more in 16."""

_BAND_ROWS = 64
"""Of luma at a time, as intermediate values are wider than the samples."""


class FrameCanvas:
    """Lays frames of one size into frames of another; serves one thread at a time.

    Args:
        geometry: `shown` says where frames go, and how large they are.
        given: layout of the frames; with alpha they are laid over the background by it.
        layout: of what comes out. With alpha, too, frames keep theirs, and bars have none.
        colour: what all code values mean.
        background: behind them.
        table: brings its SDR to these code values, in place of their matrix.
    """

    def __init__(
        self,
        geometry: Geometry,
        given: PixelLayout,
        layout: PixelLayout,
        colour: ColourTags,
        background: Background,
        table: CropTable | None = None,
    ) -> None:
        self._given, self._shown = given, geometry.shown
        self._is_mixed = given.alpha is not None and layout.alpha is None
        self._behind = Planes.allocate(layout, *geometry.size)
        self._blur = None
        if background == BLUR:
            self._blur = FrameBlur(geometry, given, layout, colour)
        else:
            rgb = _backdrop(background, geometry.size)
            if table is None:
                rgb_to_planes(rgb, self._behind, **coding_of(colour))
            else:
                components_to_planes(table.components(rgb), self._behind)
        if background in (None, TRANSPARENT) and layout.alpha is not None:
            self._behind.samples(ALPHA)[...] = 0
        self._canvas = self._behind.copy()
        if self._is_mixed:
            opacity = np.zeros(geometry.size[::-1], np.uint8)
            own = self._canvas
            self._canvas = Planes(layout, own.width, own.height, own.buffers, own.strides, opacity)

    def framed(self, frame: av.VideoFrame) -> Planes:
        """A frame in its place, until the next one is."""
        buffers = frame.planes
        strides = [plane.line_size for plane in buffers]
        planes = Planes(self._given, frame.width, frame.height, buffers, strides)
        if self._blur is not None:
            self._blur(frame, self._behind)
            self._behind.copy_to(self._canvas)
        if self._is_mixed:
            self._mix(planes)
        else:
            for number in range(len(self._given.all_components)):
                self._part(self._canvas, number)[...] = planes.samples(number)
        return self._canvas

    def _mix(self, frame: Planes) -> None:
        layout, opacity = self._canvas.layout, self._canvas.opacity
        assert opacity is not None
        alpha, shown = frame.samples(ALPHA), self._shown
        eight = alpha if layout.depth == 8 else alpha >> (layout.depth - 8)
        opacity[shown.y : shown.y + shown.height, shown.x : shown.x + shown.width] = eight
        for first in range(0, frame.height, _BAND_ROWS):
            weights = alpha[first : first + _BAND_ROWS]
            for number in range(3):
                if number == 1:
                    weights = _means(weights, layout)
                start = first if number == 0 else first >> layout.chroma_y
                rows = slice(start, start + len(weights))
                mix = _mixed(
                    frame.samples(number)[rows],
                    self._part(self._behind, number)[rows] >> layout.shift,
                    weights,
                    layout.depth,
                )
                self._part(self._canvas, number)[rows] = mix << layout.shift

    def _part(self, planes: Planes, number: int) -> _Samples:
        """Where the frame goes, of a component."""
        layout, shown = planes.layout, self._shown
        x, y = layout.size(number, shown.x, shown.y)
        width, height = layout.size(number, shown.width, shown.height)
        return planes.samples(number)[y : y + height, x : x + width]


def _mixed(front: _Samples, behind: _Samples, alpha: _Samples, depth: int) -> _Samples:
    """Straight colours over others, to the nearest code."""
    dtype = np.dtype(np.uint16 if depth == 8 else np.uint32)
    top = (1 << depth) - 1
    weight = alpha.astype(dtype)
    # At most top * top + top / 2, which that type holds.
    total = front * weight
    total += behind * (top - weight)
    total += top >> 1
    total //= top
    return np.asarray(total, front.dtype)


def _means(alpha: _Samples, layout: PixelLayout) -> _Samples:
    """Alpha over the pixels of each chroma sample; frames have even sides."""
    wide = alpha.astype(np.uint16)
    if layout.chroma_y:
        wide = wide[0::2] + wide[1::2]
    if layout.chroma_x:
        wide = wide[:, 0::2] + wide[:, 1::2]
    shift = layout.chroma_x + layout.chroma_y
    wide += (1 << shift) >> 1
    return np.asarray(wide >> shift, alpha.dtype)


def _backdrop(background: Background, size: Size) -> Picture:
    width, height = size
    if isinstance(background, Still):
        return np.ascontiguousarray(cover(background.rgb, width, height))
    if background is None or background == TRANSPARENT:
        background = WHITE
    return np.full((height, width, 3), parse_colour(background), np.uint8)
