"""Every kind of recording: what the server gets, against soxr over the samples that went in."""

from __future__ import annotations

import hashlib
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soxr
from recordings import Signal, record, tones, wav_bytes, write_wav

from musetalk_fast.media.speech import Speech, load_speech


def _sent(speech: Speech) -> Signal:
    """The server's recording, full scale at -1..1."""
    with wave.open(str(speech.wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return pcm / 32768


def _expected(mono: Signal, rate: int) -> Signal:
    return mono if rate == 16_000 else soxr.resample(mono, rate, 16_000, quality="HQ")


def _check(speech: Speech, signal: Signal, rate: int, tolerance: float = 1e-4) -> None:
    assert (speech.samples, speech.rate) == (len(signal), rate)
    assert speech.duration == Fraction(len(signal), rate)
    expected = _expected(signal.mean(axis=1), rate)
    sent = _sent(speech)
    assert sent.shape == expected.shape
    assert np.abs(sent - expected).max() < tolerance
    assert speech.notes == ()


WAVS = [
    ("pcm_u8", "u8", 0.01),
    ("pcm_s16le", "s16", 1e-4),
    ("pcm_s24le", "s32", 1e-4),
    ("pcm_s32le", "s32", 1e-4),
    ("pcm_f32le", "flt", 1e-4),
    ("pcm_f64le", "dbl", 1e-4),
    ("pcm_alaw", "s16", 0.03),
]


@pytest.mark.parametrize(("codec", "kind", "tolerance"), WAVS)
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_wav(tmp_path: Path, codec: str, kind: str, tolerance: float, rate: int) -> None:
    signal = tones(rate, 1.2345)
    path = record(tmp_path / "a.wav", codec, kind, rate, signal)
    _check(load_speech(path, tmp_path), signal, rate, tolerance)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 48_000, 96_000, 192_000])
def test_rates(tmp_path: Path, rate: int) -> None:
    signal = tones(rate, 0.777)
    path = write_wav(tmp_path / "a.wav", rate, np.rint(signal * 32767))
    _check(load_speech(path, tmp_path), signal, rate)


def test_stereo_is_mixed_evenly(tmp_path: Path) -> None:
    signal = tones(48_000, 0.5, 2)
    path = write_wav(tmp_path / "a.wav", 48_000, np.rint(signal * 32767))
    _check(load_speech(path, tmp_path), signal, 48_000)


def test_surround_is_mixed_by_the_book(tmp_path: Path) -> None:
    signal = tones(48_000, 0.5, 6)
    body = np.rint(signal * 32767).astype("<i2").tobytes()
    data = wav_bytes(body, form=0xFFFE, channels=6, rate=48_000, bits=16, mask=0x3F)
    (tmp_path / "a.wav").write_bytes(data)
    speech = load_speech(tmp_path / "a.wav", tmp_path)
    # Front left and right, centre, bass, back left and right.
    weights = np.array([0.7071, 0.7071, 1.0, 0.0, 0.5, 0.5])
    mono = signal @ (weights / weights.sum())
    assert np.abs(_sent(speech) - _expected(mono, 48_000)).max() < 1e-4


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_extensible_24_bits_without_places(tmp_path: Path, channels: int) -> None:
    signal = np.repeat(tones(16_000, 0.5), channels, axis=1)
    wide = np.rint(signal * (2**23 - 1)).astype("<i4").reshape(-1, 1).view(np.uint8)
    body = np.ascontiguousarray(wide[:, :3]).tobytes()
    data = wav_bytes(body, form=0xFFFE, channels=channels, rate=16_000, bits=24)
    (tmp_path / "a.wav").write_bytes(data)
    _check(load_speech(tmp_path / "a.wav", tmp_path), signal, 16_000)


EXACT = [
    ("a.flac", "flac", "s16", {}, 1e-4),
    ("a.mp3", "libmp3lame", "s16p", {}, 0.05),
    ("a.m4a", "alac", "s16p", {"container": "ipod"}, 1e-4),
    ("a.opus", "libopus", "s16", {"container": "ogg"}, 0.05),
    ("a.webm", "libopus", "s16", {}, 0.05),
    ("a.aiff", "pcm_s16be", "s16", {}, 1e-4),
    ("a.caf", "pcm_s16be", "s16", {}, 1e-4),
]


@pytest.mark.parametrize(("name", "codec", "kind", "options", "tolerance"), EXACT)
def test_formats_that_know_their_length(
    tmp_path: Path, name: str, codec: str, kind: str, options: dict[str, str], tolerance: float
) -> None:
    signal = tones(48_000, 1.3)
    path = record(tmp_path / name, codec, kind, 48_000, signal, **options)
    _check(load_speech(path, tmp_path), signal, 48_000, tolerance)


PADDED = [
    ("a.m4a", "aac", "fltp", "mono", {"container": "ipod"}),
    ("a.mp4", "aac", "fltp", "mono", {"film": True}),
    ("a.mkv", "aac", "fltp", "mono", {"film": True}),
    ("a.ogg", "vorbis", "fltp", "stereo", {"strict": "experimental"}),
]


@pytest.mark.parametrize(("name", "codec", "kind", "layout", "options"), PADDED)
def test_formats_that_fill_their_last_block(
    tmp_path: Path, name: str, codec: str, kind: str, layout: str, options: dict[str, str]
) -> None:
    channels = 2 if layout == "stereo" else 1
    signal = np.repeat(tones(44_100, 1.3), channels, axis=1)
    path = record(tmp_path / name, codec, kind, 44_100, signal, layout=layout, **options)
    speech = load_speech(path, tmp_path)
    assert 0 <= speech.samples - len(signal) < 1024
    # Priming is skipped: the tone begins where it began. Its end may ring a little.
    expected = _expected(signal.mean(axis=1), 44_100)[:-1600]
    assert np.abs(_sent(speech)[: len(expected)] - expected).max() < 0.1
    assert np.corrcoef(_sent(speech)[: len(expected)], expected)[0, 1] > 0.995


def test_names_are_hashes(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 44_100, np.rint(tones(44_100, 0.3) * 9000))
    speech = load_speech(path, tmp_path)
    assert speech.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert speech.wav_sha256 == hashlib.sha256(speech.wav.read_bytes()).hexdigest()
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(["a.wav", speech.wav.name])


def test_levels_are_those_of_a_sine(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 16_000, np.rint(tones(16_000, 1.0) * 32767))
    speech = load_speech(path, tmp_path)
    assert speech.peak_dbfs == pytest.approx(-6.02, abs=0.02)
    assert speech.rms_dbfs == pytest.approx(-9.03, abs=0.02)


def test_samples_that_are_no_numbers(tmp_path: Path) -> None:
    floats = tones(44_100, 0.5).astype("<f4")
    floats[1000:1004, 0] = [np.nan, np.inf, -np.inf, 3e38]
    data = wav_bytes(floats.tobytes(), form=3, channels=1, rate=44_100, bits=32)
    (tmp_path / "a.wav").write_bytes(data)
    sent = _sent(load_speech(tmp_path / "a.wav", tmp_path))
    expected = _expected(tones(44_100, 0.5).mean(axis=1), 44_100)
    # What is far from the damage is as it was.
    assert np.abs(sent - expected)[1000:].max() < 1e-3
