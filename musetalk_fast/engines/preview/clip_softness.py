"""How soft the pictures of a clip are, frame by frame: a camera loses and finds its focus."""

from __future__ import annotations

from array import array

import numpy as np

from musetalk_fast.engines.preview.interior import Interior
from musetalk_fast.engines.preview.light import blurred, softness
from musetalk_fast.types import Crop

_EVERY = 5
"""Frames: one of so many is measured. What lies between is on the straight line, so that edges do
not flicker with what measures differ by."""
_MOST = 8.0
"""Pixels: what is softer has no edges that could be measured."""
_STEP = 0.5
"""Pixels: of the blurs in which a layer is kept."""


class ClipSoftness:
    """The softness of a clip's frames, see `light.softness`; added in order, read in any."""

    def __init__(self) -> None:
        self._frames, self._values = array("L"), array("f")

    @property
    def last(self) -> float:
        """Of the last frame that was measured; 0 before the first."""
        return self._values[-1] if self._values else 0.0

    def add(self, source: int, rows: Crop) -> None:
        """Take the next source frame that has a face, of which `rows` of its crop are there."""
        if not self._frames or source >= self._frames[-1] + _EVERY:
            self._frames.append(source)
            self._values.append(min(softness(rows), _MOST))

    def at(self, source: int) -> float:
        """Of a source frame, pixels."""
        return float(np.interp(source, self._frames, self._values))


class SoftLayers:
    """What lies behind the lips, as sharp as its own frame or softer.

    Args:
        interior: of a frame.
        soft: that frame's softness, pixels.
    """

    def __init__(self, interior: Interior, soft: float) -> None:
        self._soft = soft
        self._layers = {0: interior.picture}

    def picture(self, soft: float) -> Crop:
        """The layer in a frame of such a softness; (256, 256, 3) uint8 RGB."""
        step = round(max(soft**2 - self._soft**2, 0.0) ** 0.5 / _STEP)
        if step not in self._layers:
            levels = blurred(self._layers[0].astype(np.float32), step * _STEP)
            self._layers[step] = np.clip(levels + 0.5, 0, 255).astype(np.uint8)
        return self._layers[step]
