"""Which features a frame sees: at any rate, at the edges, and beyond the sound."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import random_weights, tiny_architecture

from musetalk_fast.engines.base import never_cancelled
from musetalk_fast.engines.musetalk.networks import build_networks
from musetalk_fast.engines.musetalk.positions import positional_encoding
from musetalk_fast.engines.musetalk.recording import Recording
from musetalk_fast.engines.musetalk.speech_features import SpeechFeatures
from musetalk_fast.engines.musetalk.speech_windows import WINDOW, feature_count, first_feature
from musetalk_fast.types import SPEECH_RATE


@pytest.fixture(scope="module")
def speech() -> SpeechFeatures:
    whisper = build_networks(tiny_architecture())[2]
    whisper.load_state_dict(random_weights(whisper, 1), assign=True)
    return SpeechFeatures(whisper.eval(), torch.device("cpu"))


def recording(secs: float) -> Recording:
    pcm = np.random.default_rng(2).integers(-3000, 3000, round(secs * SPEECH_RATE), np.int16)
    return Recording(pcm, never_cancelled)


def tokens_of_musetalk(features: np.ndarray, samples: int, fps: int) -> np.ndarray:
    """As MuseTalk's own loop cuts them: features of the entire recording, zeros around them."""
    features = features[: floor(samples / SPEECH_RATE * 50)]
    pad = ceil(50 / fps)
    nothing = np.zeros((1, *features.shape[1:]), np.float32)
    padded = np.concatenate([nothing.repeat(pad * 2, 0), features, nothing.repeat(pad * 3 * 2, 0)])
    frames = floor(samples / SPEECH_RATE * fps)
    starts = [floor(frame * 50 / fps) for frame in range(frames)]
    return np.stack([padded[start : start + 10].reshape(50, -1) for start in starts])


@pytest.mark.parametrize("fps", [25, 30])
def test_tokens_are_musetalks_own(speech, fps) -> None:
    own = recording(30.5)  # into a second window, whose features have no context of the first
    features = np.concatenate([speech.encode(own.window(number)) for number in (0, 1)])
    wanted = tokens_of_musetalk(features, own.samples, fps) + positional_encoding(50, 32)
    frames = [0, 1, 2, len(wanted) // 2, 30 * fps - 3, 30 * fps, len(wanted) - 1]
    found = np.stack([speech.tokens(own, frame, (fps, 1)) for frame in frames])
    assert np.array_equal(found, wanted[frames])


@pytest.mark.parametrize("fps", [(24000, 1001), (24, 1), (50, 1), (60000, 1001), (240, 1), (1, 7)])
def test_a_window_stays_at_its_frame_at_any_rate(fps) -> None:
    """80 ms before the frame, to the feature: also after ten hours, and where MuseTalk fails."""
    rate = Fraction(*fps)
    for frame in (0, 1, 17, 36_000 * fps[0] // fps[1]):
        start = Fraction(first_feature(frame, fps), 50)
        assert 0 <= frame / rate - Fraction(4, 50) - start < Fraction(1, 50)


@pytest.mark.parametrize("secs", [0.0, 0.01, 0.03, 0.06, 0.08])
@pytest.mark.parametrize("fps", [(25, 1), (60, 1)])
def test_short_sounds_have_tokens(speech, secs, fps) -> None:
    own = recording(secs)
    found = speech.tokens(own, 0, fps) - positional_encoding(50, 32)
    assert found.shape == (50, 32)
    known = feature_count(own.samples)
    seen = np.abs(found.reshape(WINDOW, -1)).max(axis=1) > 1e-6
    if known:
        assert seen.tolist() == [4 <= place < 4 + known for place in range(WINDOW)]
    else:
        assert seen.all()  # silence


def test_beyond_the_sound_is_silence_whatever_was_said(speech) -> None:
    silent = speech.tokens(recording(0), 0, (25, 1))
    for secs, frame in ((0.5, 15), (0.5, 10_000), (1.0, 27)):
        assert np.array_equal(speech.tokens(recording(secs), frame, (25, 1)), silent)
    assert not np.array_equal(speech.tokens(recording(0.5), 12, (25, 1)), silent)


def test_memory_does_not_grow_with_recordings(speech, monkeypatch) -> None:
    monkeypatch.setattr("musetalk_fast.engines.musetalk.speech_features._KEPT_WINDOWS", 2)
    monkeypatch.setattr(speech, "encode", lambda samples: np.full((1500, 5, 32), len(samples)))
    for _ in range(4):
        speech.tokens(recording(1), 0, (25, 1))
    assert len(speech._kept) <= 2


def test_a_recording_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = recording(0.1)
    assert len(own.window(0)) == own.samples == 1600
    assert not list(tmp_path.iterdir())
