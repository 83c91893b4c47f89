"""Log-mel features of speech, a hundred a second."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.types import SPEECH_RATE, Pcm

Floats: TypeAlias = NDArray[np.float32]

RATE = 100
"""Features a second; feature t describes the sound around t / 100 s."""
BANDS = 26

_HOP = SPEECH_RATE // RATE
_WINDOW = 400
_FFT = 512
_LOWEST, _HIGHEST = 60.0, 7600.0
_FLOOR = 1e-8
"""Power of about half a step of 16-bit sound: what is less is digital silence."""
_FULL_SCALE = _FFT * 150.0 / 2
"""Power in all bands of a signal whose mean square is 1: half of the FFT's length times the sum
of the squared window (Parseval)."""


def feature_count(pcm: Pcm) -> int:
    """How many features cover a recording."""
    return -(-len(pcm) // _HOP)


def log_mel(pcm: Pcm, start: int, stop: int) -> Floats:
    """Features `start` to `stop` of a recording; digital silence lies before and after it.

    Args:
        pcm: (n,) int16, 16 kHz; only what is needed of it is read.

    Returns:
        (stop - start, 26) float32: natural logarithms of power in triangular bands from 60 to
        7600 Hz that are evenly spaced in mel. Each depends on its own 25 ms only.
    """
    first = start * _HOP - _WINDOW // 2
    last = (stop - 1) * _HOP + _WINDOW // 2
    low, high = min(max(first, 0), len(pcm)), min(max(last, 0), len(pcm))
    sound = np.zeros(last - first, np.float32)
    sound[low - first : high - first] = pcm[low:high]
    sound /= 32768
    windows = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::_HOP] * _HANN
    spectrum = np.fft.rfft(windows, _FFT)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(np.log(power.astype(np.float32) @ _FILTERS + np.float32(_FLOOR)))


def level(features: Floats, reach: int = 0) -> Floats:
    """Loudness in decibels; 0 is a signal whose mean square is 1.

    Args:
        features: (T, 26) from `log_mel`.
        reach: features before and after each that its power is averaged over.

    Returns:
        (T - 2 reach,) float32.
    """
    power = np.exp(features).sum(axis=1) / np.float32(_FULL_SCALE)
    near = np.lib.stride_tricks.sliding_window_view(power, 2 * reach + 1)
    return np.asarray(10 * np.log10(near.mean(axis=1)), np.float32)


def _mel_filters() -> Floats:
    """(257, 26): weights of the FFT's bins in each band (mel = 2595 log10(1 + Hz / 700))."""
    low, high = (2595 * np.log10(1 + edge / 700) for edge in (_LOWEST, _HIGHEST))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bins = np.arange(_FFT // 2 + 1)[:, None] * (SPEECH_RATE / _FFT)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


_HANN = np.hanning(_WINDOW).astype(np.float32)
_FILTERS = _mel_filters()
