"""Sizes, points and rectangles in pixels as values of settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from musetalk_fast.config.value_kind import Kind, between, integers
from musetalk_fast.types import AUTO_SIDE, SOURCE_SIZE, Box


class Size(Kind):
    """(width, height), even, each from `low` to `high` pixels; one may be `AUTO_SIDE`.

    Or `SOURCE_SIZE`.
    """

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self.wanted = (
            f"WIDTHxHEIGHT, both even and from {low} to {high}, {AUTO_SIDE} for one that follows "
            f"from the other; or {SOURCE_SIZE}"
        )

    def _from_text(self, text: str) -> str | tuple[int, ...]:
        text = text.lower()
        return text if text == SOURCE_SIZE else tuple(int(side) for side in text.split("x"))

    def _checked(self, value: object) -> tuple[int, int] | str:
        if value == SOURCE_SIZE:
            return SOURCE_SIZE
        width, height = integers(value, 2)
        given = [side for side in (width, height) if side != AUTO_SIDE]
        if not given or any(between(side, self._low, self._high) % 2 for side in given):
            raise ValueError
        return width, height

    def write(self, value: tuple[int, int] | str) -> str:
        """`1280x720`, `1280x-2`, `source`."""
        return value if isinstance(value, str) else "x".join(map(str, value))


class Numbers(Kind):
    """Integers between commas, as many as `names` has letters.

    Args:
        names: how messages call them: `X,Y`.
        make: what they become.
        positive: indices that must be above zero.
    """

    _FAR = 100_000

    def __init__(self, names: str, make: Callable[..., Any], positive: Sequence[int] = ()) -> None:
        self._count = names.count(",") + 1
        self._make = make
        self._positive = positive
        above = " and ".join(names.split(",")[index] for index in positive)
        self.wanted = f"{names} in pixels" + (f", {above} above 0" if above else "")

    def _from_text(self, text: str) -> tuple[int, ...]:
        return tuple(int(number) for number in text.split(","))

    def _checked(self, value: object) -> object:
        numbers = integers(value, self._count)
        for index, number in enumerate(numbers):
            between(number, 1 if index in self._positive else -self._FAR, self._FAR)
        return self._make(*numbers)

    def write(self, value: tuple[int, ...]) -> str:
        """`10,20`."""
        return ",".join(map(str, value))


FACE_BOX = Numbers("X,Y,W,H", Box, positive=(2, 3))


POINT = Numbers("X,Y", lambda x, y: (x, y))
