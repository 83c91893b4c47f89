"""Whose mouth pauses show: by the recording alone, the same in any segment."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from musetalk_fast.media.fade import FADE
from musetalk_fast.media.pauses import HOLD, crop_weights
from musetalk_fast.media.wav import WavWriter
from musetalk_fast.types import SPEECH_RATE

FPS = Fraction(30000, 1001)
SOUND = (2.0, 3.5)
"""Seconds of the tone, with a gap of half a second from 2.6 s on."""


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    time = np.arange(6 * SPEECH_RATE) / SPEECH_RATE
    heard = (time >= SOUND[0]) & (time < SOUND[1]) & ((time < 2.6) | (time >= 3.1))
    tone = np.sin(2 * np.pi * 300 * time) * np.where(heard, 6000, 20)
    path = tmp_path_factory.mktemp("pauses") / "tone.wav"
    with WavWriter(path) as writer:
        writer.write(tone.astype(np.int16))
    return path


@pytest.fixture(scope="module")
def weights(wav: Path) -> NDArray[np.float64]:
    return crop_weights(wav, FPS, 0, 180)


def _at(weights: NDArray[np.float64], seconds: float) -> float:
    return float(weights[round(seconds * FPS)])


def test_speech_shows_the_model_and_a_pause_the_avatar(weights: NDArray[np.float64]) -> None:
    times = np.arange(180) / float(FPS)
    speech = (times > SOUND[0] - HOLD + 0.05) & (times < SOUND[1] + HOLD - 0.05)
    away = HOLD + FADE + 0.05
    pause = (times < SOUND[0] - away) | (times > SOUND[1] + away)
    assert (weights[speech] == 1).all(), "the gap in the sentence included"
    assert (weights[pause] == 0).all()


def test_it_fades_shortly_and_without_a_jump(weights: NDArray[np.float64]) -> None:
    falling = weights[round(3 * FPS) :]
    assert (np.diff(falling) <= 0).all()
    assert np.abs(np.diff(weights)).max() < 1.6 / (FADE * float(FPS))
    assert 4 <= ((weights > 0) & (weights < 1)).sum() / 2 <= 8


@pytest.mark.parametrize("cut", [1, 53, 61, 110, 179])
def test_segments_agree_with_the_whole(wav: Path, weights: NDArray[np.float64], cut: int) -> None:
    parts = [crop_weights(wav, FPS, 0, cut), crop_weights(wav, FPS, cut, 180)]
    assert np.array_equal(np.concatenate(parts), weights)


def test_silence_and_what_is_beyond_the_recording_are_pauses(wav: Path) -> None:
    assert not crop_weights(wav, FPS, 0, 30).any()
    assert not crop_weights(wav, FPS, 1000, 1010).any()
