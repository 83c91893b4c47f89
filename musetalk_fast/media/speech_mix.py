"""What an engine hears of a recording: one channel, without DC, as loud as speech is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.audio_decoder import Sound
from musetalk_fast.media.audio_format import mono_weights
from musetalk_fast.types import SPEECH_RATE

if TYPE_CHECKING:
    import av

Samples = NDArray[np.float32]
"""(n,) float32, mono, full scale at -1..1."""

_LEAST_SHARE = 0.25
"""Of the power that channels have which know nothing of one another: a mix with less cancels."""

_WINDOW = SPEECH_RATE // 20
_PITCH = SPEECH_RATE // 320
_LEVELS = range(-120, 31)
"""Decibels that are counted, each the power of 50 ms relative to full scale."""
_SILENCE_DB = -100
"""Digital silence and the last bit: neither loud nor background."""
_LOUD_WINDOWS, _LOUD_SHARE = 10, 0.05
"""Half a second counts as the loudness of speech, or less in a short recording: no click does."""
_FLOOR_SHARE = 0.1
_STANDS_OUT = 7.0
"""Decibels between loud and background, without low tones: steady noise of any colour has four at
most, speech ten and more."""
_QUIET_DB, _SPEECH_DB, _LEAST_DB = -35.0, -20.0, -90.0
"""Speech below the first is brought to the second, unless it is below the third: 16 bits at the
last step."""
_DC, _DC_SHARE = 0.01, 0.25
"""An offset that matters: relative to full scale, or to the sound's mean deviation from it."""


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """How channels become what the engine hears.

    Attributes:
        weights: (channels,) float32.
        offset: DC of the mix, taken off.
        gain: factor, after that.
    """

    weights: Samples
    offset: float = 0.0
    gain: float = 1.0

    @property
    def gain_db(self) -> float:
        """Amplification in decibels."""
        return 20 * math.log10(self.gain)

    @classmethod
    def of(cls, layout: av.AudioLayout) -> Mix:
        """All channels, by the book."""
        return cls(mono_weights(layout))

    @classmethod
    def only(cls, channel: int, channels: int) -> Mix:
        """One channel and none of the others."""
        weights = np.zeros(channels, np.float32)
        weights[channel] = 1
        return cls(weights)

    @property
    def channel(self) -> int | None:
        """The only channel that is heard of several; None: all are, or there is one."""
        heard = np.flatnonzero(self.weights)
        return int(heard[0]) if len(heard) == 1 < len(self.weights) else None

    @property
    def is_adjusted(self) -> bool:
        """Whether it takes off an offset or amplifies."""
        return (self.offset, self.gain) != (0, 1)

    def adjusted(self, mono: Samples) -> Samples:
        """Mixed sound without DC, amplified."""
        if not self.is_adjusted:
            return mono
        return (mono - np.float32(self.offset)) * np.float32(self.gain)


class Channels:
    """How much power the channels have, and their mix."""

    def __init__(self, mix: Mix) -> None:
        channels = len(mix.weights)
        self._mix = mix
        self._count = 0
        self._sums = np.zeros(channels)
        self._products = np.zeros((channels, channels))

    def mixed(self, sound: Sound) -> Samples:
        """(n,) of (n, channels); measured on the way."""
        if sound.shape[1] == 1:
            return sound[:, 0]
        self._count += len(sound)
        self._sums += np.ones(len(sound), np.float32) @ sound
        self._products += sound.T @ sound
        return np.asarray(sound @ self._mix.weights)

    @property
    def loudest(self) -> int | None:
        """The channel to hear instead of the mix, where that cancels what they say."""
        weights = self._mix.weights.astype(np.float64)
        if not self._count or np.count_nonzero(weights) < 2:
            return None
        means = self._sums / self._count
        covariance = self._products / self._count - np.outer(means, means)
        powers = covariance.diagonal()
        if weights @ covariance @ weights >= _LEAST_SHARE * (weights**2 @ powers):
            return None
        return int(np.where(weights > 0, powers, -1).argmax())


class Levels:
    """How loud a mix is, at 16 kHz, before it is adjusted; memory does not grow."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._counts = np.zeros((2, len(_LEVELS)), np.int64)
        self._count = 0
        self._sum = self._squares = 0.0
        self._lowest, self._highest = math.inf, -math.inf

    def add(self, mono: Samples) -> None:
        """Measure what follows."""
        if not len(mono):
            return
        self._count += len(mono)
        self._sum += float(mono.sum())
        self._squares += float(mono @ mono)
        self._lowest = min(self._lowest, float(mono.min()))
        self._highest = max(self._highest, float(mono.max()))
        mono = np.concatenate((self._rest, mono))
        whole = len(mono) // _WINDOW * _WINDOW
        self._rest = mono[whole:]
        windows = mono[:whole].reshape(-1, _WINDOW)
        self._add(0, _powers(windows) - windows.mean(axis=1) ** 2)
        # Without low tones: the rumble of a room comes and goes as speech does.
        pitches = mono[:whole].reshape(-1, _PITCH)
        powers = _powers(pitches) - pitches.mean(axis=1) ** 2
        self._add(1, powers.reshape(-1, _WINDOW // _PITCH).mean(axis=1))

    @property
    def offset(self) -> float:
        """The mean."""
        return self._sum / self._count if self._count else 0.0

    @property
    def rms(self) -> float:
        """Around the mean."""
        if not self._count:
            return 0.0
        return math.sqrt(max(0.0, self._squares / self._count - self.offset**2))

    @property
    def peak(self) -> float:
        """The largest distance from the mean."""
        if not self._count:
            return 0.0
        return max(self._highest - self.offset, self.offset - self._lowest)

    def adjustment(self) -> tuple[float, float]:
        """Offset and gain that let an engine hear the speech; (0, 1) where nothing is needed."""
        loud, _ = self._loud_and_floor(0)
        high, floor = self._loud_and_floor(1)
        if _LEAST_DB < loud < _QUIET_DB and high - floor >= _STANDS_OUT:
            return self.offset, 10 ** ((_SPEECH_DB - loud) / 20)
        matters = abs(self.offset) > min(_DC, _DC_SHARE * self.rms)
        return (self.offset if matters else 0.0), 1.0

    def _add(self, row: int, powers: Samples) -> None:
        decibels = 10 * np.log10(np.maximum(powers, 1e-12))
        places = np.clip(np.rint(decibels).astype(np.intp) - _LEVELS[0], 0, len(_LEVELS) - 1)
        self._counts[row] += np.bincount(places, minlength=len(_LEVELS))

    def _loud_and_floor(self, row: int) -> tuple[float, float]:
        """Decibels of the loudest half second, and of the background."""
        counts = self._counts[row, _SILENCE_DB - _LEVELS[0] :]
        total = int(counts.sum())
        if not total:
            return -math.inf, -math.inf
        up = np.cumsum(counts)
        loud = min(_LOUD_WINDOWS, math.ceil(_LOUD_SHARE * total))
        return (
            float(_SILENCE_DB + np.searchsorted(up, total - loud, "right")),
            float(_SILENCE_DB + np.searchsorted(up, _FLOOR_SHARE * total)),
        )


def _powers(windows: Samples) -> Samples:
    """(n,) of (n, samples)."""
    return np.asarray(np.einsum("ij,ij->i", windows, windows) / windows.shape[1])
