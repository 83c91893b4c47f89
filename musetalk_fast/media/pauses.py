"""The crop's weight in each frame where pauses show the avatar's own mouth.

It follows from the recording around a frame and from nothing else, so that any segment of any run
on any machine comes to the same.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.fade import FADE, faded_in
from musetalk_fast.media.speech_levels import speech_levels

HOLD = 0.3
"""Seconds around a sound in which the mouth is the model's; then it fades. A gap within a sentence
is shorter than twice that."""
_STEP = Fraction(1, 50)
"""Seconds: the steps in which sound is looked for."""
_SPEECH = -46.0
"""dB of full scale, mean of absolute samples: what is less is a pause."""


def crop_weights(wav: Path, fps: Fraction, start: int, stop: int) -> NDArray[np.float64]:
    """The weights of the crops of frames `[start, stop)`, (stop - start,) float64, 0 to 1.

    Args:
        wav: 16 kHz, mono, 16-bit, as `WavWriter` writes it.

    Raises:
        OSError: it cannot be read.
    """
    reach = math.ceil((HOLD + FADE) / _STEP) + 1
    first = max(0, math.floor(start / fps / _STEP) - reach)
    last = math.ceil(stop / fps / _STEP) + reach
    levels = speech_levels(wav, first * _STEP, _STEP, last - first)
    sounds = (np.flatnonzero(levels > _SPEECH) + first + 0.5) * float(_STEP)
    times = np.array([float(frame / fps) for frame in range(start, stop)])
    if not len(sounds):
        return np.zeros(len(times))
    after = np.searchsorted(sounds, times).clip(1, len(sounds) - 1) if len(sounds) > 1 else 0
    before = np.maximum(after - 1, 0)
    away = np.minimum(np.abs(times - sounds[before]), np.abs(times - sounds[after]))
    return faded_in(HOLD + FADE - away)
