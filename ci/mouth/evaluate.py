"""How well the mouth's track follows recordings whose phonemes are known.

Run it from the repository: `python ci/mouth/evaluate.py`.
"""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from phonemes import CLOSED, OPEN_VOWELS, SILENCE, labels, read_phones, targets

from musetalk_fast.engines.preview.loudness import EDGE, loudness
from musetalk_fast.engines.preview.mel import feature_count, log_mel
from musetalk_fast.engines.preview.mouth_track import mouth_track

ROOT = Path(__file__).parents[2]
CLIPS = (
    (ROOT / "examples" / "speech.wav", ROOT / "tests" / "data" / "speech.phones.csv"),
    (ROOT / "tests" / "data" / "short.wav", ROOT / "tests" / "data" / "short.phones.csv"),
)

REACH = 4.0
"""Hundredths of a second by which the wanted movement is blurred."""


class Scores(NamedTuple):
    """Correlations with the wanted movement, and openings relative to those on open vowels."""

    open: float
    wide: float
    closed: float
    silence: float


def evaluate(driver: Callable[[NDArray[np.int16]], NDArray[np.float32]]) -> Scores:
    """Score a driver, (n,) int16 -> (T, 2 or more) open and wide, over all clips together."""
    tracks, wanted, names = [], [], []
    for sound, phones in CLIPS:
        track = driver(read_pcm(sound))
        spoken = labels(read_phones(phones), len(track))
        tracks.append(track[:, :2])
        wanted.append(targets(spoken, REACH))
        names.append(spoken)
    return scores(np.concatenate(tracks), np.concatenate(wanted), np.concatenate(names))


def scores(
    track: NDArray[np.float32], wanted: NDArray[np.float64], names: NDArray[np.str_]
) -> Scores:
    """Compare (T, 2) open and wide with what was wanted, given the phonemes."""

    def opening(which: tuple[str, ...]) -> float:
        return float(track[np.isin(names, which), 0].mean())

    vowels = opening(OPEN_VOWELS)
    return Scores(
        _correlation(track[:, 0], wanted[:, 0]),
        _correlation(track[:, 1], wanted[:, 1]),
        opening(CLOSED) / vowels,
        opening((SILENCE,)) / vowels,
    )


def by_loudness(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """The rival: as open as the sound is loud, between a recording's quietest and loudest."""
    loud = loudness(log_mel(pcm, -EDGE, feature_count(pcm) + EDGE))
    high = np.percentile(loud, 95)
    low = max(np.percentile(loud, 5), high - 45)
    opened = np.clip((loud - low) / (high - low) * 4 / 3 - 1 / 3, 0, 1)
    return np.stack([opened, np.zeros_like(opened)], axis=1)


def read_pcm(path: Path) -> NDArray[np.int16]:
    """Samples of a 16 kHz, mono, 16-bit WAV."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float64]) -> float:
    return float(np.corrcoef(one, other)[0, 1]) if one.std() > 1e-6 else 0.0


def main() -> None:
    """Print a table."""
    print("driver    r(open)  r(wide)  open on B, P, M  open in silence")
    for name, driver in (("loudness", by_loudness), ("network", mouth_track)):
        got = evaluate(driver)
        print(f"{name:9} {got.open:7.2f} {got.wide:8.2f} {got.closed:16.2f} {got.silence:16.2f}")


if __name__ == "__main__":
    main()
