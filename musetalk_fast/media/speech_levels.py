"""How loud a recording is, from time to time, as it was normalised for the server."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.wav import WAV_HEADER_BYTES
from musetalk_fast.types import SPEECH_RATE

_EVERY = 8
"""Samples: a mean of hundreds of levels needs no more than each eighth."""
_RATE = SPEECH_RATE / _EVERY
_QUIETEST = 1e-6


def speech_levels(
    wav: Path, start: Fraction, interval: Fraction, count: int
) -> NDArray[np.float64]:
    """Mean levels of `count` intervals, one after the other, (count,) float64 dB of full scale.

    Beyond the recording there is silence, -120 dB.

    Args:
        wav: 16 kHz, mono, 16-bit, as `WavWriter` writes it.
        start: seconds from its beginning.
        interval: seconds, 0.01 or more.

    Raises:
        OSError: it cannot be read.
    """
    edges = (float(start) + np.arange(count + 1) * float(interval)) * _RATE
    places = edges.astype(np.int64)
    first, stop = int(places[0]), int(places[-1])
    samples = np.zeros(stop - first, np.float32)
    with wav.open("rb") as file:
        file.seek(WAV_HEADER_BYTES + 2 * _EVERY * first)
        heard = np.frombuffer(file.read(2 * _EVERY * len(samples)), "<i2")[::_EVERY]
    samples[: len(heard)] = heard
    if count == 0:
        return np.zeros(0)
    sums = np.add.reduceat(np.abs(samples), places[:-1] - first)
    means = sums / np.diff(places) / 32768
    return np.asarray(20 * np.log10(np.maximum(means, _QUIETEST)), np.float64)
