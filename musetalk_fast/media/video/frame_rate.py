"""The rate of a video by the time stamps of its frames, exact."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import VideoFormatError
from musetalk_fast.types import Timestamps

MAX_RATE = Fraction(1000)
MIN_RATE = Fraction(1, 60)
"""Frames a second that a video may have."""

_WHOLE = (5, 6, 8, 10, 12, 15, 16, 18, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)
_NTSC = (24, 30, 48, 60, 120)
_STANDARD = (*map(Fraction, _WHOLE), *(Fraction(1000 * rate, 1001) for rate in _NTSC))
_EXACT = 1e-7
"""Of a frame: what floating point strays by."""
_JITTER = 1 / 8
"""Of a frame: what a phone's clock strays by. No eye sees it, but frames shown by such times would
be skipped and doubled."""
_ROUNDED = range(8, 256)
"""Ticks of a frame that are a rounded number of them, such as 33 ms."""


class Timing(NamedTuple):
    """When the frames of a video are shown.

    Attributes:
        rate: frames a second; of a variable rate, the one that it is made at.
        timestamps: None where every frame takes one part of the rate.
    """

    rate: Fraction
    timestamps: Timestamps | None


def timing(
    stamps: NDArray[np.int64], duration: int, tick: Fraction, stated: Iterable[Fraction | None]
) -> Timing:
    """Find the rate that the stamps of the frames keep to.

    Where they stray from it by no more than the container's rounding or a camera's jitter they
    count as kept to it, also where frames were left out. Others are used as they are.

    Args:
        stamps: (n,) int64, ascending, in ticks.
        duration: of the last frame, in ticks; 0 if unknown.
        tick: seconds.
        stated: rates that the container and the codec claim, the most reliable first.

    Raises:
        errors.VideoFormatError: a rate outside `MIN_RATE` to `MAX_RATE`.
    """
    claims = [rate for rate in stated if rate is not None and MIN_RATE <= rate <= MAX_RATE]
    if len(stamps) == 1:
        return Timing(_only(claims, duration, tick), None)
    starts = stamps - stamps[0]
    usual = int(np.median(np.diff(stamps)))
    _check(Fraction(len(stamps) - 1) / (int(starts[-1]) * tick))
    rates = list(_candidates(claims, 1 / (usual * tick)))
    exact = [rate for rate in rates if usual not in _ROUNDED or rate != rates[-1]]
    attempts = ((exact, _EXACT), (rates, 0.0), (rates, _JITTER))
    for some, strays in attempts:
        for rate in some:
            grid = _grid(starts, tick, rate, strays)
            if grid is not None and grid[-1] == len(stamps) - 1:
                return Timing(rate, None)
    for rate in rates:
        grid = _grid(starts, tick, rate, _JITTER)
        if grid is not None:
            last = max(1, round(float(duration * tick * rate)))
            return Timing(rate, Timestamps(_ticks(grid), int(grid[-1]) + last, 1 / rate))
    end = int(starts[-1]) + (duration or usual)
    return Timing(rates[0], Timestamps(_ticks(starts), end, tick))


def _only(claims: list[Fraction], duration: int, tick: Fraction) -> Fraction:
    """The rate of a single frame."""
    if claims:
        return claims[0]
    return _check(1 / (duration * tick)) if duration else Fraction(25)


def _check(rate: Fraction) -> Fraction:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise VideoFormatError(
            f"its {float(rate):.6g} frames a second are outside {float(MIN_RATE):.2g} to {MAX_RATE}"
        )
    return rate


def _candidates(claims: list[Fraction], usual: Fraction) -> Iterator[Fraction]:
    """Rates near that of the usual frame, the most likely first."""
    near = [rate for rate in claims if abs(rate / usual - 1) < _JITTER]
    standard = sorted(_STANDARD, key=lambda rate: abs(rate / usual - 1))[:2]
    yield from (rate for rate in near if rate in _STANDARD)
    yield from (rate for rate in standard if abs(rate / usual - 1) < _JITTER)
    yield from near
    yield min(max(usual, MIN_RATE), MAX_RATE)


def _ticks(starts: NDArray[np.int64]) -> array[int]:
    """As Python's integers when they are asked for, in 8 bytes each."""
    return array("q", starts.tobytes())


def _grid(
    starts: NDArray[np.int64], tick: Fraction, rate: Fraction, strays: float
) -> NDArray[np.int64] | None:
    """The frames' places in parts of a rate; None if they are not near such places.

    Args:
        strays: parts that they may be off by; 0: as many as a tick.
    """
    per_tick = float(tick * rate)
    exact = starts * per_tick
    grid = np.rint(exact)
    allowed = strays or min(per_tick, 0.25) * (1 - _EXACT)
    if np.abs(exact - grid).max() > allowed or (np.diff(grid) < 1).any():
        return None
    places: NDArray[np.int64] = grid.astype(np.int64)
    return places
