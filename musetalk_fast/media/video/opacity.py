"""Whether a video that can be transparent is: many have alpha, and are opaque."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musetalk_fast.media.video.frame_decoder import FrameDecoder
from musetalk_fast.media.video.frame_index import FrameIndex

if TYPE_CHECKING:
    import av

_FIRST = 50
"""Frames from the beginning that are looked at."""
_KEYS = 8
"""Key frames behind them that are: an avatar may fade in or out."""


def finds_transparency(decoder: FrameDecoder, index: FrameIndex) -> bool | None:
    """Look at some frames until something of one is transparent.

    Returns:
        False: nothing of any frame is. None: nothing is where it was looked at.

    Raises:
        errors.InputError: as `FrameDecoder.frames`.
    """
    first = min(_FIRST, decoder.total)
    if any(_is_transparent(frame) for _, frame in decoder.frames(0, first - 1)):
        return True
    if decoder.total == first:
        return False
    numbers = np.searchsorted(index.stamps, index.key_stamps)
    later = numbers[(numbers >= first) & (numbers < decoder.total)]
    for number in later[:: max(1, -(-len(later) // _KEYS))].tolist():
        if any(_is_transparent(frame) for _, frame in decoder.frames(number, number)):
            return True
    return None


def _is_transparent(frame: av.VideoFrame) -> bool:
    return bool(frame.to_ndarray(format="rgba")[..., 3].min() < 255)
