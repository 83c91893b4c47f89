"""What an engine hears of recordings that are quiet, off centre or out of phase."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recordings import Signal, wav_bytes, write_wav

from musetalk_fast.engines.preview.mouth_track import mouth_track
from musetalk_fast.media.audio_decoder import AudioDecoder
from musetalk_fast.media.speech import Speech, load_speech
from musetalk_fast.media.wav import open_speech

SHORT = Path(__file__).parents[1] / "data/short.wav"


@pytest.fixture(scope="module")
def voice() -> Signal:
    """(n,) speech, full scale at -1..1, peak at 1, without DC."""
    pcm = open_speech(SHORT).astype(float)
    pcm -= pcm.mean()
    return pcm / np.abs(pcm).max()


@pytest.fixture(scope="module")
def moves(voice: Signal) -> Signal:
    """How the preview's mouth opens."""
    return mouth_track(np.rint(voice * 10_000).astype(np.int16))[:, 0]


def _noise(secs: float, level: float, fall: float = 0.0) -> Signal:
    """Noise whose power falls with that power of the pitch: 0 is white, 1 pink, 2 brown."""
    values = np.random.default_rng(1).normal(0, 1, int(secs * 16_000))
    spectrum = np.fft.rfft(values)
    spectrum[1:] *= np.arange(1, len(spectrum)) ** (-fall / 2)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, len(values))
    return noise * level / noise.std()


def _db(decibels: float) -> float:
    return 10 ** (decibels / 20)


def _load(tmp_path: Path, signal: Signal) -> Speech:
    pcm = np.clip(np.rint(signal * 32768), -32768, 32767)
    return load_speech(write_wav(tmp_path / "a.wav", 16_000, pcm), tmp_path)


def _tokens(speech: Speech) -> list[str]:
    return [note.token.removeprefix("MTF-AUDIO-") for note in speech.notes]


HEARD = {
    "as it is": (lambda x: x * 0.3, []),
    "out of phase": (lambda x: np.stack([x, -x], 1) * 0.3, ["MIX"]),
    "nearly out of phase": (lambda x: np.stack([x * 0.9, -x], 1) * 0.3, ["MIX"]),
    "on one side": (lambda x: np.stack([x, x * 0], 1) * 0.3, []),
    "off centre": (lambda x: x * 0.3 + 0.4, []),
    "off centre and quiet": (lambda x: x * 0.01 + 0.05, ["QUIET"]),
    "sides off centre": (lambda x: np.stack([x * 0.3 + 0.2, x * 0.3 - 0.2], 1), []),
    "-62 dBFS": (lambda x: x * _db(-62), ["QUIET"]),
    "-62 dBFS, out of phase": (lambda x: np.stack([x, -x], 1) * _db(-62), ["MIX", "QUIET"]),
}


@pytest.mark.parametrize("name", HEARD)
def test_the_mouth_moves_as_ever(tmp_path: Path, voice: Signal, moves: Signal, name: str) -> None:
    change, tokens = HEARD[name]
    speech = _load(tmp_path, change(voice))
    track = mouth_track(open_speech(speech.wav))[:, 0]
    assert np.corrcoef(track, moves)[0, 1] > 0.95
    assert 0.8 < track.mean() / moves.mean() < 1.2
    assert _tokens(speech) == tokens


STILL = {
    "silence": (np.zeros(32_000), ["SILENT"]),
    "nothing but an offset": (np.full(32_000, 0.1), ["SILENT"]),
    "the last bit": (_noise(4, _db(-92)), ["SILENT"]),
    "noise": (_noise(4, _db(-60)), ["QUIET"]),
    "noise after silence": (np.concatenate([np.zeros(32_000), _noise(4, _db(-70))]), ["QUIET"]),
    "pink noise": (_noise(8, _db(-60), 1), ["QUIET"]),
    "rumble": (_noise(8, _db(-50), 2), ["QUIET"]),
}


@pytest.mark.parametrize("name", STILL)
def test_the_mouth_stays_still(tmp_path: Path, name: str) -> None:
    signal, tokens = STILL[name]
    speech = _load(tmp_path, signal)
    assert mouth_track(open_speech(speech.wav))[:, 0].max() == 0
    assert _tokens(speech) == tokens


def test_the_recording_itself_stays_as_it_is(tmp_path: Path, voice: Signal) -> None:
    signal = np.stack([voice, -voice], 1) * 0.001 + 0.05
    speech = _load(tmp_path, signal)
    assert "amplified by 5" in speech.notes[1].message
    assert speech.peak_dbfs == pytest.approx(-60, abs=0.3)
    assert np.abs(open_speech(speech.wav)).max() > 8000
    with AudioDecoder(speech.path) as reader:
        sound = np.concatenate(list(reader.blocks()))
    assert np.abs(sound - signal).max() < 1e-4


def test_quiet_speech_in_24_bits_keeps_them(tmp_path: Path, voice: Signal) -> None:
    wide = np.rint(voice * _db(-66) * (2**23 - 1)).astype("<i4").reshape(-1, 1).view(np.uint8)
    body = np.ascontiguousarray(wide[:, :3]).tobytes()
    (tmp_path / "a.wav").write_bytes(wav_bytes(body, form=1, channels=1, rate=16_000, bits=24))
    heard = open_speech(load_speech(tmp_path / "a.wav", tmp_path).wav) / 32768
    scale = (heard @ voice) / (voice @ voice)
    # 16 bits would leave the sixteenth part of a step's noise: 27 dB of the loudest.
    assert np.abs(heard / scale - voice).max() < 0.002
