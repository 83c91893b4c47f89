"""What an engine sees of a part of an HDR frame, in the frame's own code values."""

from __future__ import annotations

from functools import lru_cache

import av
import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.media.video.display_matrix import Turn
from musetalk_fast.media.video.frame_decoder import FrameShape, Numbered
from musetalk_fast.media.video.frame_filter import FrameFilter, Preparation, scale_filter
from musetalk_fast.media.video.tone_curve import ToneCurve
from musetalk_fast.media.video.tone_mapping import (
    MAPPED_FROM,
    MAPPED_TO,
    frame_planes,
    tone_mapped,
)
from musetalk_fast.media.video.tone_tables import crop_table
from musetalk_fast.types import BT709, Box

_MARGIN = 16
"""Pixels around a part, at least: chroma is sampled with all its neighbours."""
_STEP = 64
"""Sides are multiples of it, so that few filters are made for faces whose sizes differ."""
_FILTERS = 8


class SeenPart:
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
            frame = self._filter(frame.width, frame.height, MAPPED_FROM)(frame)
        ((_, mapped),) = tone_mapped([Numbered(0, frame)], self._curve)
        rgb = self._filter(frame.width, frame.height, "rgb24")(mapped).to_ndarray()
        top, left = part.y - place.y, part.x - place.x
        own = rgb[top : top + part.height, left : left + part.width]
        return crop_table(self._curve).components(np.ascontiguousarray(own))

    def _make_filter(self, width: int, height: int, pix_fmt: str) -> FrameFilter:
        tags = self._curve.tags
        if pix_fmt == MAPPED_FROM:
            halved = (scale_filter(None, tags, tags), f"format={pix_fmt}")
            return FrameFilter((width, height), self._layout.name, tags, halved)
        made = Preparation(
            shape=FrameShape(width, height, MAPPED_TO),
            tags=BT709,
            turn=Turn.NONE,
            window=Box(0, 0, width, height),
            size=(width, height),
            is_whole=True,
            is_interlaced=False,
        )
        return FrameFilter((width, height), MAPPED_TO, BT709, made.filters(pix_fmt))


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
