"""Where faces are: BlazeFace over a pyramid of tiles.

BlazeFace (short range) sees 128 x 128 pixels and loses faces below about 9 % of them. So the
entire picture is searched, then overlapping tiles of half and of 0.28 of its longer side.
Source: Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.face.model import Model
from musetalk_fast.media.face.sampling import Patch, Region, bilinear, blocks, reduce, sample
from musetalk_fast.types import Picture

Bounds: TypeAlias = tuple[float, float, float, float]
"""Edges `(left, top, right, bottom)` of a rectangle, pixels."""

_SIDE = 128
_STRIDES = ((8, 2), (16, 6))
"""(pixels a cell, anchors a cell) of the two feature maps: 896 anchors."""
_MIN_SCORE = 0.5
_SAME_OVERLAP = 0.5
_LEVELS = (1.0, 0.5, 0.28)
_TILE_OVERLAP = 0.3
"""A face too small for one level is at most 0.18 of the next one's tile, plus its surroundings."""
_WORK_SIDE = 512
_MAX_FACES = 32


@dataclass(frozen=True, slots=True)
class Detection:
    """A face as the detector sees it.

    Attributes:
        score: 0..1.
        x, y: centre of its square, pixels of the picture.
        width, height: pixels.
        angle: radians by which the line through the eyes is turned clockwise.
    """

    score: float
    x: float
    y: float
    width: float
    height: float
    angle: float

    @property
    def bounds(self) -> Bounds:
        """Its edges."""
        across, down = self.width / 2, self.height / 2
        return self.x - across, self.y - down, self.x + across, self.y + down

    def scaled(self, factor: float) -> Detection:
        """The same face in a picture that was scaled by `factor`."""
        return Detection(
            self.score,
            self.x * factor,
            self.y * factor,
            self.width * factor,
            self.height * factor,
            self.angle,
        )


class Detector:
    """Finds faces of a picture; one object serves one thread at a time."""

    def __init__(self) -> None:
        outputs = ("regressors", "classificators")
        self._model = Model("face_detector.tflite", outputs)
        self._anchors = _anchors()

    def levels(self, picture: Picture) -> Iterator[list[Detection]]:
        """Faces of each level of the pyramid, large ones first, doubles removed in each level.

        Levels are computed when they are asked for.
        """
        shrink = blocks(picture, max(picture.shape[:2]), _WORK_SIDE)
        work = reduce(picture, shrink)
        longer = max(work.shape[:2])
        for level in _LEVELS:
            size = longer * level
            factor = blocks(work, size, _SIDE)
            small = reduce(work, factor)
            found = [
                each
                for tile in _tiles(small.shape[1], small.shape[0], size / factor)
                for each in self._look(small, tile)
            ]
            yield [each.scaled(shrink * factor) for each in strongest(found)]

    def near(self, picture: Picture, place: Region) -> list[Detection]:
        """Faces of one square of a picture, if they are not much smaller than it; best first."""
        return strongest(self._seen(sample(picture, place, _SIDE), place))

    def _look(self, picture: Picture, tile: Region) -> list[Detection]:
        return self._seen(bilinear(picture, tile, _SIDE), tile)

    def _seen(self, patch: Patch, tile: Region) -> list[Detection]:
        boxes, logits = self._model.run(patch / np.float32(127.5) - np.float32(1))
        scores = 1 / (1 + np.exp(-np.clip(logits.ravel(), -80, 80)))
        good = np.flatnonzero(scores > _MIN_SCORE)
        return [
            _decode(float(scores[each]), boxes[0, each], self._anchors[each], tile) for each in good
        ]


def strongest(found: list[Detection]) -> list[Detection]:
    """Of detections of one face, the one with the highest score; best first, at most 32."""
    kept: list[Detection] = []
    for each in sorted(found, key=lambda face: face.score, reverse=True):
        if not any(same_face(each.bounds, other.bounds) for other in kept):
            kept.append(each)
    return kept[:_MAX_FACES]


def same_face(one: Bounds, other: Bounds) -> bool:
    """Whether two rectangles share more than half of the smaller one.

    Not of the union: a half face found at the edge of a tile lies inside the whole one.
    """
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((each[2] - each[0]) * (each[3] - each[1]) for each in (one, other))
    return across > 0 and down > 0 and across * down > _SAME_OVERLAP * smaller


def _anchors() -> NDArray[np.float32]:
    """(896, 2) float32: centres of the anchors, pixels of the detector's input."""
    centres = []
    for stride, count in _STRIDES:
        cells = np.arange(stride / 2, _SIDE, stride, dtype=np.float32)
        grid = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)
        centres.append(np.repeat(grid, count, axis=0))
    return np.concatenate(centres)


def _decode(
    score: float, values: NDArray[np.float32], anchor: NDArray[np.float32], tile: Region
) -> Detection:
    """The 16 values: centre, size, then six points (right and left eye first), from the anchor."""
    points = values.reshape(8, 2) + anchor
    points = tile.to_picture(points[[0, 2, 3]], _SIDE)
    scale = tile.size / _SIDE
    eyes = points[2] - points[1]
    return Detection(
        score,
        float(points[0, 0]),
        float(points[0, 1]),
        float(values[2]) * scale,
        float(values[3]) * scale,
        math.atan2(float(eyes[1]), float(eyes[0])),
    )


def _tiles(width: int, height: int, size: float) -> Iterator[Region]:
    for y in _centres(height, size):
        for x in _centres(width, size):
            yield Region(x, y, size)


def _centres(length: int, size: float) -> list[float]:
    """Centres of tiles that cover a side, evenly spread, overlapping enough for a face."""
    if length <= size:
        return [length / 2]
    steps = math.ceil((length - size) / (size * (1 - _TILE_OVERLAP)))
    return [size / 2 + (length - size) * step / steps for step in range(steps + 1)]
