"""Smooths a face's box over time.

Zero phase: a box is put where a straight line through those before and after it has it, the near
ones counting most (local linear regression with a Gaussian kernel: W. S. Cleveland, "Robust Locally
Weighted Regression and Smoothing Scatterplots", 1979). So it does not lag: steady movement is not
changed at all, not even where a face comes or goes. For that a few frames are held back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

import numpy as np

from musetalk_fast.types import Box

T = TypeVar("T")

REACH = 6
"""Frames before and after a box that it depends on, and that are held back."""
_SPREAD = 2.0
"""Standard deviation of the kernel, frames: what is slower than a fifth of a second, at 25 frames a
second, stays."""


class BoxSmoother(Generic[T]):
    """The boxes of a clip, in order.

    Args:
        is_on: off, each box comes out at once, as it was.
    """

    def __init__(self, *, is_on: bool) -> None:
        self._reach = REACH if is_on else 0
        self._held: deque[tuple[T, Box | None]] = deque()
        self._boxes: deque[Box | None] = deque()
        self._past = 0  # how many of the boxes have been given

    def add(self, item: T, box: Box | None) -> Iterator[tuple[T, Box | None]]:
        """Take the next frame; give those whose boxes are known, with what belongs to them."""
        self._held.append((item, box))
        self._boxes.append(box)
        while len(self._held) > self._reach:
            yield self._next()

    def finish(self) -> Iterator[tuple[T, Box | None]]:
        """Those that were held back."""
        while self._held:
            yield self._next()

    def _next(self) -> tuple[T, Box | None]:
        item, box = self._held.popleft()
        smooth = None if box is None else _smooth(list(self._boxes), self._past)
        self._past += 1
        if self._past > self._reach:
            self._boxes.popleft()
            self._past -= 1
        return item, smooth


def _smooth(boxes: list[Box | None], at: int) -> Box:
    """The box at a place among others, by those without a gap before and after it."""
    first = last = at
    while first > 0 and boxes[first - 1] is not None:
        first -= 1
    while last + 1 < len(boxes) and boxes[last + 1] is not None:
        last += 1
    run = np.array(boxes[first : last + 1], np.float64)
    away = np.arange(first, last + 1) - at
    weights = np.exp(-0.5 * (away / _SPREAD) ** 2)
    sums = [float(weights @ away**power) for power in range(3)]
    level, tilt = weights @ run, (weights * away) @ run
    spread = sums[0] * sums[2] - sums[1] ** 2
    is_alone = spread < 1e-9
    middle = run[at - first] if is_alone else (sums[2] * level - sums[1] * tilt) / spread
    x, y, right, lower = (round(edge) for edge in (*middle[:2], *(middle[:2] + middle[2:])))
    return Box(x, y, right - x, lower - y)
