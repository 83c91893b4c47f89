"""Which features a frame sees: at any rate, at the edges, and beyond the sound."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_networks

from musetalk_fast.engines.base import never_cancelled
from musetalk_fast.engines.musetalk.positions import positional_encoding
from musetalk_fast.engines.musetalk.recording import Recording
from musetalk_fast.engines.musetalk.speech_encoder import SpeechEncoder
from musetalk_fast.engines.musetalk.speech_features import SpeechFeatures
from musetalk_fast.engines.musetalk.speech_windows import (
    WINDOW,
    feature_count,
    first_feature,
    pieces_of,
)
from musetalk_fast.types import SPEECH_RATE


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    return SpeechEncoder(tiny_networks().whisper, torch.device("cpu"))


@pytest.fixture(scope="module")
def speech(encoder) -> SpeechFeatures:
    return SpeechFeatures(encoder.encode, 5, 32)


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
def test_tokens_are_musetalks_own(encoder, speech, fps) -> None:
    own = recording(30.5)  # into a second window, whose features have no context of the first
    pieces = [own.read(start, 480_000) for start in (0, 480_000)]
    features = np.concatenate([encoder.encode(piece) for piece in pieces])
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


def test_overlapping_pieces_have_no_seam() -> None:
    """Where pieces stand one behind the other, Whisper's features jump; half a minute of a hum."""
    whisper = tiny_networks().whisper
    turns = torch.arange(1500)[:, None] / 1500 * torch.arange(32)
    whisper.embed_positions.weight[:] = torch.cos(turns)  # as smooth as those of the published one
    encode = SpeechEncoder(whisper, torch.device("cpu")).encode
    hum = np.sin(np.arange(45 * SPEECH_RATE) * (2 * np.pi * 150 / SPEECH_RATE)) * 9000
    own = Recording(hum.astype(np.int16), never_cancelled)
    steps = {}
    for overlap in (False, True):
        speech = SpeechFeatures(encode, 5, 32, overlap=overlap)
        tokens = np.stack([speech.tokens(own, frame, (25, 1)) for frame in range(500, 800)])
        steps[overlap] = np.abs(np.diff(tokens, axis=0)).mean(axis=(1, 2))
    inside = np.median(steps[False])
    assert steps[False].max() > 5 * inside
    assert steps[True].max() < 2 * inside


def test_each_feature_is_of_pieces_that_hear_it_and_what_is_around_it() -> None:
    for count in (1, 1500, 1501, 2500, 2501, 9001):
        last = 0
        for place in range(count):
            shares = pieces_of(place, count, overlap=True)
            assert sum(share for _, share in shares) == pytest.approx(1)
            for start, share in shares:
                context = min(place - start, min(count, start + 1500) - 1 - place)
                assert context >= min(200, place, count - 1 - place)
                assert 0 < share <= 1
            last = max(last, *(start for start, _ in shares))
        assert last < max(1, count - 500)  # no piece that no feature needs
    assert pieces_of(2999, 9000, overlap=False) == [(1500, 1.0)]


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


def counting(monkeypatch, speech: SpeechFeatures, *, kept: int, most: int, in_use: int) -> list:
    """What it encodes from now on; its features are nothing."""
    module = "musetalk_fast.engines.musetalk.speech_features."
    for name, value in (("_KEPT_PIECES", kept), ("_MOST_PIECES", most), ("_IN_USE", in_use)):
        monkeypatch.setattr(module + name, value)
    encoded: list = []

    def encode(samples: np.ndarray) -> np.ndarray:
        encoded.append(samples)
        return np.zeros((1500, 5, 32), np.float32)

    monkeypatch.setattr(speech, "_encode", encode)
    return encoded


def test_memory_does_not_grow_with_recordings(speech, monkeypatch) -> None:
    counting(monkeypatch, speech, kept=2, most=3, in_use=100)
    for _ in range(5):
        speech.tokens(recording(1), 0, (25, 1))
        assert len(speech._kept) <= 3
    monkeypatch.setattr(speech, "_frames", speech._frames + 101)
    speech.tokens(recording(1), 0, (25, 1))
    assert len(speech._kept) == 2


def test_what_streams_hear_in_turn_is_encoded_once(speech, monkeypatch) -> None:
    encoded = counting(monkeypatch, speech, kept=2, most=9, in_use=100)
    streams = [recording(1) for _ in range(6)]
    for frame in range(3):
        for each in streams:
            speech.tokens(each, frame, (25, 1))
    assert len(encoded) == 6


def test_a_recording_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = recording(0.1)
    assert len(own.read(0, 9999)) == own.samples == 1600
    assert not list(tmp_path.iterdir())
