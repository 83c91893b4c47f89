"""How loud speech is around each moment of a recording, and what its voice sounds like.

A speaker comes closer, another one takes over, a recording is quiet: what counts as speech is
judged against the seconds around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.preview.mel import Floats, level

PIECE = 50
"""Features that are summed up as one: half a second."""
EDGE = 2
"""Features before and after over which loudness is averaged: a click is no speech."""

_NEAR = 8
"""Pieces before and after that speech is judged by: four seconds."""
_FADE = 2
"""Pieces before and after in which one loudness becomes the next."""
_QUIET = 9
"""The place, among the features of a piece, of the loudness that stands for noise."""
_VOICED = 20.0
"""Decibels below a piece's loudest in which a feature tells what the voice sounds like."""
_SPEAKING = 15.0
"""Decibels below the loudest nearby in which a piece tells it."""
_USUAL, _QUIETER = 0.95, 25.0
"""The share of pieces that are not louder than a recording's usual loudness, and the decibels
below it that speech may be."""
_PAUSE = 24.0
"""Decibels below the loudest nearby: what is less is a pause."""
_OVER_NOISE, _SURELY_SOUND, _INAUDIBLE = 8.0, -40.0, -62.0
"""Decibels over steady noise that speech needs, unless it is louder than the second; what is
less than the third is silence in any recording."""
_RAMP = 10.0
"""Decibels in which a pause becomes clear speech."""
_DEPTH = -14.0
"""Nepers of power (61 dB) below speech: what is less in a band is as good as nothing."""
_NEPERS = np.float32(np.log(10) / 10)
"""Natural logarithm of power to a decibel."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Half seconds of a recording, each as a few numbers.

    Attributes:
        loudest, quietest: (n,) float32, decibels; nine features are quieter than the latter.
        spectrum: (n, 26) float32: sum of the voiced features, relative to the loudest.
        voiced: (n,) float32: how many they are.
    """

    loudest: Floats
    quietest: Floats
    spectrum: Floats
    voiced: Floats

    @classmethod
    def of(cls, features: Floats) -> Pieces:
        """Sum up features, `EDGE` more of them at either end. Only the last piece is shorter."""
        loud = loudness(features)
        features = features[EDGE:-EDGE]
        starts = np.arange(0, len(features), PIECE)
        whole = np.pad(loud, (0, -len(loud) % PIECE), "edge").reshape(-1, PIECE)
        loudest = whole.max(axis=1)
        each = np.repeat(loudest, PIECE)[: len(loud)]
        voiced = (loud > each - _VOICED).astype(np.float32)
        relative = (features - _NEPERS * each[:, None]) * voiced[:, None]
        return cls(
            loudest,
            np.sort(whole, axis=1)[:, _QUIET],
            np.add.reduceat(relative, starts, axis=0),
            np.add.reduceat(voiced, starts),
        )

    @classmethod
    def joined(cls, parts: Sequence[Pieces]) -> Pieces:
        """The pieces of a recording from those of its blocks."""
        return cls(
            np.concatenate([part.loudest for part in parts]),
            np.concatenate([part.quietest for part in parts]),
            np.concatenate([part.spectrum for part in parts]),
            np.concatenate([part.voiced for part in parts]),
        )


class Voice(NamedTuple):
    """A mean spectrum, (26,) float32, relative to loud speech; `weight` features vouch for it."""

    spectrum: Floats
    weight: float


class Heard(NamedTuple):
    """What a run of features sounds like against its surroundings.

    Attributes:
        spectra: (T, 26) float32: the features, relative to the voice's mean spectrum.
        speech: (T,) float32: 0 in a pause, 1 in clear speech.
    """

    spectra: Floats
    speech: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What speech is judged by, for each piece of a recording.

    Attributes:
        loud: (n,) float32 decibels: speech nearby.
        pause: (n,) float32 decibels: what is less is no speech.
        voice: (n, 26) float32: mean spectrum of speech nearby, relative to `loud`.
    """

    loud: Floats
    pause: Floats
    voice: Floats

    @classmethod
    def of(cls, pieces: Pieces, usual: Voice) -> Surroundings:
        """Look around each piece.

        Args:
            pieces: of the whole recording, at least one.
            usual: the voice that is assumed until enough of this one was heard.
        """
        least = np.float32(np.quantile(pieces.loudest, _USUAL) - _QUIETER)
        loud = np.maximum(_around(pieces.loudest, _NEAR).max(axis=-1), least)
        noise = _around(pieces.quietest, _NEAR).min(axis=-1)
        pause = np.minimum(noise + _OVER_NOISE, _SURELY_SOUND)
        pause = np.maximum(np.maximum(loud - _PAUSE, pause), _INAUDIBLE)
        speaks = (pieces.loudest > loud - _SPEAKING).astype(np.float32)
        voiced = _around(pieces.voiced * speaks, _NEAR, "constant").sum(axis=-1)
        spectrum = _around(pieces.spectrum * speaks[:, None], _NEAR, "constant").sum(axis=-1)
        voice = (spectrum + usual.spectrum * usual.weight) / (voiced + usual.weight)[:, None]
        return cls(_around(loud, _FADE).mean(axis=-1), _around(pause, _FADE).mean(axis=-1), voice)

    def hear(self, features: Floats, start: int) -> Heard:
        """Judge features, `EDGE` more of them at either end; the first judged one is `start`."""
        loud = loudness(features)
        moments = (np.arange(start, start + len(loud)) + 0.5) / PIECE - 0.5
        pause = _interpolated(self.pause, moments)
        speech = np.clip((loud - pause) / np.float32(_RAMP), 0, 1)
        reference = _NEPERS * _interpolated(self.loud, moments)[:, None]
        relative = np.maximum(features[EDGE:-EDGE] - reference, np.float32(_DEPTH))
        return Heard(relative - _interpolated(self.voice, moments), speech)


def loudness(features: Floats) -> Floats:
    """(T - 2 EDGE,) float32 decibels: the level around each feature but the outermost `EDGE`."""
    return level(features, EDGE)


def _windows(values: Floats, size: int) -> Floats:
    return np.lib.stride_tricks.sliding_window_view(values, size, axis=0)


def _around(values: Floats, reach: int, mode: Literal["edge", "constant"] = "edge") -> Floats:
    """(n, ..., 2 reach + 1): each value with its neighbours."""
    ends = [(reach, reach)] + [(0, 0)] * (values.ndim - 1)
    return _windows(np.pad(values, ends, mode), 2 * reach + 1)


def _interpolated(values: Floats, places: NDArray[np.float64]) -> Floats:
    """Values at fractional places, linear; beyond the ends as at the ends."""
    places = np.clip(places, 0, len(values) - 1)
    below = places.astype(np.intp)
    above = np.minimum(below + 1, len(values) - 1)
    share = (places - below).astype(np.float32)
    if values.ndim > 1:
        share = share[:, None]
    return np.asarray(values[below] + (values[above] - values[below]) * share)
