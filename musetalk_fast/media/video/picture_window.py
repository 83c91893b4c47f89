"""Converts to RGB what of a video's frames is looked at: a face is a small part of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from musetalk_fast.media.partial_picture import contains
from musetalk_fast.media.video.filter_graph import FrameFilter
from musetalk_fast.media.video.frame_filter import Preparation
from musetalk_fast.types import Box, Picture

if TYPE_CHECKING:
    import av

_MARGIN = 1 / 8
"""Of what is asked for, on each side: a head may move so far before filters are made anew."""
_MOST = 3
"""A window is at most so many times as large as what is asked for: it follows a head that moves."""
_STEP = 16
"""Pixels: where windows begin and end; chroma is sampled with all its neighbours in between."""


class PictureWindow:
    """The part of each frame that is converted; filters are kept as long as it stays.

    Args:
        preparation: of frames that need no others beside them.
    """

    def __init__(self, preparation: Preparation) -> None:
        self._preparation = preparation
        self._all = Box(0, 0, *preparation.size)
        self._place = Box(0, 0, 0, 0)
        self._filters: dict[Box, FrameFilter] = {}

    def picture(self, frame: av.VideoFrame, wanted: Box) -> tuple[Picture, Box]:
        """A part of a frame, (H, W, 3) uint8 RGB, and where it is.

        Args:
            wanted: a rectangle of the source frame that is in it.
        """
        place = self._around(wanted)
        if place not in self._filters:
            self._filters = {each: it for each, it in self._filters.items() if each == self._all}
            self._filters[place] = self._filter(place)
        return np.ascontiguousarray(self._filters[place](frame).to_ndarray()), place

    def _around(self, wanted: Box) -> Box:
        whole = self._all
        if self._preparation.is_scaled or _area(wanted) * _MOST > _area(whole):
            return whole
        if not contains(self._place, wanted) or _area(self._place) > _MOST * _area(wanted):
            both = _union(self._place, wanted) if _area(self._place) else wanted
            self._place = _grown(wanted if _area(both) * 2 > _MOST * _area(wanted) else both, whole)
        return self._place

    def _filter(self, place: Box) -> FrameFilter:
        preparation = self._preparation
        if place != self._all:
            x, y = preparation.window.x + place.x, preparation.window.y + place.y
            size = (place.width, place.height)
            preparation = replace(preparation, window=Box(x, y, *size), size=size)
        (width, height, pix_fmt), tags = preparation.shape, preparation.tags
        return FrameFilter((width, height), pix_fmt, tags, preparation.filters("rgb24"))


def _area(box: Box) -> int:
    return box.width * box.height


def _union(one: Box, other: Box) -> Box:
    left, top = min(one.x, other.x), min(one.y, other.y)
    right = max(one.x + one.width, other.x + other.width)
    bottom = max(one.y + one.height, other.y + other.height)
    return Box(left, top, right - left, bottom - top)


def _grown(box: Box, whole: Box) -> Box:
    """With its margins, to whole steps, inside the source frame."""
    across, down = (max(_STEP, int(side * _MARGIN)) for side in (box.width, box.height))
    left, top = (max(0, first // _STEP * _STEP) for first in (box.x - across, box.y - down))
    right = min(whole.width, -(-(box.x + box.width + across) // _STEP) * _STEP)
    bottom = min(whole.height, -(-(box.y + box.height + down) // _STEP) * _STEP)
    return Box(left, top, right - left, bottom - top)
