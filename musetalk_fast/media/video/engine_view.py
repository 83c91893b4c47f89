"""What an engine sees of a part of an HDR frame, in the frame's own code values."""

from __future__ import annotations

from functools import lru_cache

import av
import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.kernels.rgb import to_rgb
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.media.video.filter_graph import FrameFilter
from musetalk_fast.media.video.frame_decoder import Numbered
from musetalk_fast.media.video.frame_filter import scale_filter
from musetalk_fast.media.video.tone_curve import ToneCurve
from musetalk_fast.media.video.tone_mapping import MAPPED_FROM, frame_planes, tone_mapped
from musetalk_fast.media.video.tone_tables import crop_table
from musetalk_fast.types import BT709, Box

_MARGIN = 16
"""Pixels around a part, at least: chroma is sampled with all its neighbours."""
_STEP = 64
"""Sides are multiples of it, so that few filters are made for faces whose sizes differ."""
_FILTERS = 8


class EngineView:
    """Makes those parts; serves one thread at a time.

    Args:
        curve: from the frames' code values to what is seen.
        layout: of the frames.
    """

    def __init__(self, curve: ToneCurve, layout: PixelLayout) -> None:
        self._curve, self._layout = curve, layout
        self._filter = lru_cache(maxsize=_FILTERS)(self._make_filter)

    def __call__(self, planes: Planes, part: Box) -> NDArray[np.int16]:
        """(3, height, width) int16, in 14 bits: what a crop of that part becomes by its table.

        Args:
            planes: a frame with even sides.
            part: a rectangle in it, from an even column and row on, whose sides are even.
        """
        place = _around(part, planes.width, planes.height)
        frame = _copied(planes, place)
        if self._layout.name != MAPPED_FROM:
            frame = self._filter(frame.width, frame.height)(frame)
        ((_, mapped),) = tone_mapped([Numbered(0, frame)], self._curve)
        own = Box(part.x - place.x, part.y - place.y, part.width, part.height)
        rgb = to_rgb(frame_planes(mapped), own, **coding_of(BT709))
        return crop_table(self._curve).components(rgb)

    def _make_filter(self, width: int, height: int) -> FrameFilter:
        tags = self._curve.tags
        halved = (scale_filter(None, tags, tags), f"format={MAPPED_FROM}")
        return FrameFilter((width, height), self._layout.name, tags, halved)


def _around(part: Box, width: int, height: int) -> Box:
    left, across = _grown(part.x, part.width, width)
    top, down = _grown(part.y, part.height, height)
    return Box(left, top, across, down)


def _grown(first: int, length: int, whole: int) -> tuple[int, int]:
    """A stretch with its margins, inside of all that there is."""
    start = max(0, first - _MARGIN) // _MARGIN * _MARGIN
    steps = -(-(first + length + _MARGIN - start) // _STEP)
    stop = min(whole, start + steps * _STEP)
    return start, stop - start


def _copied(planes: Planes, place: Box) -> av.VideoFrame:
    layout = planes.layout
    frame = av.VideoFrame(place.width, place.height, layout.name)
    own = frame_planes(frame)
    for number in range(3):
        x, y = layout.size(number, place.x, place.y)
        width, height = layout.size(number, place.width, place.height)
        own.samples(number)[...] = planes.samples(number)[y : y + height, x : x + width]
    return frame
