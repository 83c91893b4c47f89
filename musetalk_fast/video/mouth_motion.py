"""Measures how far the mouth moves, and how well that follows the speech.

Luma samples of the mouth's rectangle are compared with those 80 ms before, and that with the sound
of the time between. What is kept of a part are eight sums, so that parts can be made in any order,
by several machines, and by an earlier run (`part_trailer`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.events import MouthFigures
from musetalk_fast.types import Box

Levels: TypeAlias = NDArray[np.float64]

SAMPLE_RATE = 12.5
"""Samples a second, at most: twice the rate of syllables, or more."""

_LOOKS_AT_ONCE = 256
"""Compared in one go."""
_BIN = 5
"""Samples: 0.4 s, in which a mouth that speaks has moved however a sound is held."""
_COLUMNS, _ROWS = 16, 12
_ACROSS, _DOWN = (0.15, 0.85), (0.10, 0.80)
"""Of the mask's rectangle, from below the nose to the chin: where lips are."""
_LOUD_DB = -40.0
"""Mean level of speech, dB below full scale; pauses are below -50."""
_FLOOR_DB = -60.0
_LEAST_LOUD_SECS = 0.5
_STILL = 0.1
"""Levels of 255: a face of 32 pixels that speaks moves by 1.5, a constant one by 0."""
_LEAST_BINS = 8
_LEAST_DEVIATION_DB = 3.0
"""Of the loudness: speech without pauses has nothing that could be followed."""


@dataclass(frozen=True, slots=True)
class MotionSums:
    """Sums over 0.4 s each, of motion in levels of 255 and of loudness in dB.

    Attributes:
        bins: how many there are.
        motion, loudness, motion_squared, loudness_squared, product: over all of them.
        loud_secs: of speech in them.
        loud_motion: motion in those, times seconds.
    """

    bins: float = 0.0
    motion: float = 0.0
    loudness: float = 0.0
    motion_squared: float = 0.0
    loudness_squared: float = 0.0
    product: float = 0.0
    loud_secs: float = 0.0
    loud_motion: float = 0.0

    def __add__(self, other: MotionSums) -> MotionSums:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return MotionSums(*(one + two for one, two in pairs))


def is_still(mouth: MouthFigures) -> bool:
    """Whether there was speech, and the mouth did not move."""
    return mouth.moved is not None and mouth.moved < _STILL


def mouth_figures(parts: Iterable[MotionSums | None]) -> MouthFigures | None:
    """What the sums of all parts come to; None if none of them was measured."""
    measured = [each for each in parts if each is not None]
    if not measured:
        return None
    sums = sum(measured, MotionSums())
    speaks = sums.loud_secs >= _LEAST_LOUD_SECS
    return MouthFigures(
        moved=round(sums.loud_motion / sums.loud_secs, 3) if speaks else None,
        follows=_correlation(sums),
        speech_secs=round(sums.loud_secs, 2),
    )


def _correlation(sums: MotionSums) -> float | None:
    if sums.bins < _LEAST_BINS:
        return None
    count = sums.bins
    motion, loudness = sums.motion / count, sums.loudness / count
    spread_motion = sums.motion_squared / count - motion * motion
    spread_loudness = sums.loudness_squared / count - loudness * loudness
    if spread_motion <= 1e-9 or spread_loudness < _LEAST_DEVIATION_DB**2:
        return None
    covariance = sums.product / count - motion * loudness
    return round(max(-1.0, min(1.0, covariance / math.sqrt(spread_motion * spread_loudness))), 3)


def sampled_every(fps: Fraction) -> int:
    """Every how many frames the mouth is looked at."""
    return max(1, round(fps / Fraction(SAMPLE_RATE)))


def mouth_grid(mask_box: Box, width: int, height: int) -> tuple[slice, slice]:
    """Rows and columns of the luma plane that are looked at: 192 samples, or fewer.

    Args:
        mask_box: where the mouth is pasted; the lower half of a face.
        width, height: pixels of the frame.
    """
    rows = _steps(mask_box.y, mask_box.height, _DOWN, height, _ROWS)
    return rows, _steps(mask_box.x, mask_box.width, _ACROSS, width, _COLUMNS)


def mouth_points(
    mask_box: Box | None, width: int, height: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the luma plane that are looked at where the mouth moves about.

    Always the same number of samples at the same places of the mask's rectangle, whatever its
    size, so that those of two frames can be compared.

    Args:
        mask_box: as `mouth_grid`; None: of the entire frame.
    """
    x, y, across, down = mask_box or Box(0, 0, width, height)
    return _points(y, down, _DOWN, height, _ROWS), _points(x, across, _ACROSS, width, _COLUMNS)


def _points(
    start: int, length: int, share: tuple[float, float], limit: int, count: int
) -> NDArray[np.int64]:
    points = start + np.linspace(*share, count) * length
    return np.clip(points, 0, limit - 1).astype(np.int64)


def _steps(start: int, length: int, share: tuple[float, float], limit: int, count: int) -> slice:
    first = min(max(0, start + int(length * share[0])), limit - 1)
    last = min(max(first + 1, start + math.ceil(length * share[1])), limit)
    step = max(1, -(-(last - first) // count))
    return slice(first, last, step)


class MotionMeter:
    """Measures the frames of one segment; memory grows with its looks only, by 4 bytes each.

    Args:
        sample_bytes: of one luma sample: 1 or 2.
        bits: of the highest level of such a sample.
    """

    def __init__(self, sample_bytes: int, bits: int) -> None:
        self._dtype: np.dtype[np.unsignedinteger] = np.dtype("u1" if sample_bytes == 1 else "<u2")
        self._signed: np.dtype[np.signedinteger] = np.dtype("i2" if sample_bytes == 1 else "i4")
        self._scale = 0.5 ** (bits - 8)
        self._looks: list[bytes] = []
        self._count = 0
        self._motions: list[NDArray[np.float32]] = []

    def add(self, look: bytes | None) -> None:
        """The luma of the mouth in the next frame that is looked at; None if it is not known."""
        if look is None:
            return
        self._count += 1
        self._looks.append(look)
        if len(self._looks) > _LOOKS_AT_ONCE:
            self._compare()

    @property
    def intervals(self) -> int:
        """How many times were measured between two looks."""
        return max(0, self._count - 1)

    def sums(self, loudness: Levels, interval: Fraction) -> MotionSums:
        """The sums of the segment.

        Args:
            loudness: dB of the sound in each interval.
            interval: seconds between two looks.
        """
        self._compare()
        motion = np.concatenate([np.zeros(0, np.float32), *self._motions]).astype(np.float64)
        count = min(len(motion), len(loudness))
        motion, loudness = motion[:count], np.maximum(loudness[:count], _FLOOR_DB)
        loud = loudness > _LOUD_DB
        bins = count // _BIN
        moved = motion[: bins * _BIN].reshape(bins, _BIN).mean(axis=1)
        heard = loudness[: bins * _BIN].reshape(bins, _BIN).mean(axis=1)
        return MotionSums(
            bins=float(bins),
            motion=float(moved.sum()),
            loudness=float(heard.sum()),
            motion_squared=float(moved @ moved),
            loudness_squared=float(heard @ heard),
            product=float(moved @ heard),
            loud_secs=np.count_nonzero(loud) * float(interval),
            loud_motion=float(motion[loud].sum() * float(interval)),
        )

    def _compare(self) -> None:
        if len(self._looks) < 2:
            return
        samples = np.frombuffer(b"".join(self._looks), self._dtype).reshape(len(self._looks), -1)
        signed = samples.astype(self._signed)
        changes = np.abs(signed[1:] - signed[:-1]).sum(axis=1, dtype=np.float32)
        self._motions.append(changes * np.float32(self._scale / samples.shape[1]))
        del self._looks[:-1]
