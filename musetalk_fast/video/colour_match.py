"""The colours of a crop, matched to the avatar under the rim of its mask.

There crop and avatar show the same skin; what they differ in is the model's error. A frame is
judged by its own crop alone, so that it is the same in any segment and on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.kernels.yuv_matrix import MAX_GAIN, Coding, Recolouring, exact_conversion
from musetalk_fast.types import CROP_SIZE, Box, Crop, Face

Levels: TypeAlias = NDArray[np.float64]
"""(3, n) float64: red, green and blue of places at the rim."""
ToLevels: TypeAlias = Callable[[NDArray[np.float64]], Levels]
"""What an engine sees, 0 to 255, of (3, n) code values of luma and chroma in the planes' depth."""

RIM = (8, 128)
"""Weights of the mask that count as its rim: least and most."""
_MOST = 512
"""Places that are looked at."""
_LEAST = 32
"""Fewer say nothing."""
_MOST_SHIFT = 32.0
"""Levels: what a crop's mean is moved by at most."""
_TRUST = 25.0
"""Squared levels: a rim that varies by less says nothing about gain."""
_OUTSIDE, _ALIKE = 3.0, 4.0
"""Places that differ by more than that many medians, and by more than that many levels from the
usual difference, show something else: a chin that has moved."""


_KEPT = 64
"""Rims of the last boxes and masks."""


class ColourMatch:
    """What a crop's colours have to be multiplied by and moved by.

    Args:
        face: where crops go, and their mask.
        layout: of the avatar's planes.
        to_levels: what its code values look like.
    """

    def __init__(self, face: Face, layout: PixelLayout, to_levels: ToLevels) -> None:
        self._rows, self._columns, self._places = _rim(face)
        self._layout, self._to_levels = layout, to_levels

    def avatar_levels(self, avatar: Planes) -> Levels:
        """What a source frame shows under the rim."""
        layout, (columns, rows) = self._layout, self._places.T
        codes = np.empty((3, len(rows)))
        for component in range(3):
            x, y = (layout.chroma_x, layout.chroma_y) if component else (0, 0)
            samples = avatar.samples(component)[rows >> y, columns >> x]
            codes[component] = samples >> layout.shift
        return self._to_levels(codes)

    def match(self, crop: Crop | memoryview, first_row: int, avatar: Levels) -> Recolouring:
        """Gain and offset of a crop's three channels; 1 and 0 where the rim is too small.

        Args:
            crop: (rows, 256, 3) uint8 RGB from `first_row` on, or its bytes; with all rows whose
                mask is not 0.
            avatar: from `avatar_levels`.
        """
        if avatar.shape[1] < _LEAST:
            return Recolouring(np.ones(3), np.zeros(3))
        pixels = np.frombuffer(crop, np.uint8).reshape(-1, CROP_SIZE, 3)
        own = pixels[self._rows - first_row, self._columns].T.astype(np.float64, order="C")
        difference = avatar - own
        unusual = np.abs(difference - _median(difference)[:, None]).max(axis=0)
        alike = unusual <= max(_OUTSIDE * float(_median(unusual)), _ALIKE)
        return _fitted(own[:, alike], avatar[:, alike])


def by_matrix(coding: Coding, depth: int) -> ToLevels:
    """Of SDR with `depth` bits."""
    exact, zero = exact_conversion(coding["matrix"], depth, full_range=coding["full_range"])
    to_rgb = np.linalg.inv(exact)
    return lambda codes: np.asarray(to_rgb @ (codes - zero[:, None]))


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the last axis, the upper one of two: several times faster than NumPy's."""
    middle = values.shape[-1] // 2
    return np.asarray(np.partition(values, middle, axis=-1)[..., middle])


def _fitted(own: Levels, wanted: Levels) -> Recolouring:
    """The line through both means that is nearest to the levels; bounded."""
    mean, aim = own.mean(axis=1), wanted.mean(axis=1)
    spread, trust = own - mean[:, None], _TRUST * own.shape[1]
    variance = np.einsum("cn,cn->c", spread, spread)
    gain = (np.einsum("cn,cn->c", spread, wanted) + trust) / (variance + trust)
    gain = np.minimum(np.maximum(gain, 1 / MAX_GAIN), MAX_GAIN)
    shift = np.minimum(np.maximum(aim - mean, -_MOST_SHIFT), _MOST_SHIFT)
    return Recolouring(gain, mean + shift - gain * mean)


def _rim(face: Face) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the crop under the mask's rim, and (n, 2) pixels of the picture."""
    box, inner = face.box, face.mask_box
    place = Box(inner.x - box.x, inner.y - box.y, inner.width, inner.height)
    mask = np.ascontiguousarray(face.mask).tobytes()
    row, column, offsets = _rim_in((box.width, box.height), place, mask)
    return row, column, offsets + np.array([box.x, box.y])


@lru_cache(maxsize=_KEPT)
def _rim_in(
    size: tuple[int, int], place: Box, mask: bytes
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """As `_rim`, of a box of a size, in whose pixels the mask's rectangle and what is found lie.

    Kept, as the faces of a video have boxes and masks of a few sizes, which only move.
    """
    centres = (np.arange(CROP_SIZE) + 0.5) / CROP_SIZE
    across, down = (np.floor(centres * side).astype(np.intp) for side in size)
    columns = np.flatnonzero((across >= place.x) & (across < place.x + place.width))
    rows = np.flatnonzero((down >= place.y) & (down < place.y + place.height))
    weighed = np.frombuffer(mask, np.uint8).reshape(place.height, place.width)
    weights = weighed[np.ix_(down[rows] - place.y, across[columns] - place.x)]
    row, column = np.nonzero((weights >= RIM[0]) & (weights <= RIM[1]))
    some = slice(None, None, max(1, -(-len(row) // _MOST)))
    row, column = rows[row[some]], columns[column[some]]
    return row, column, np.stack([across[column], down[row]], axis=1)
