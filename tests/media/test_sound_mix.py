"""A second sound beneath the first: as long as the video, as loud as asked for, never clipped."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from recordings import Signal, write_wav

from musetalk_fast.errors import AudioFormatError
from musetalk_fast.media.audio_decoder import AudioDecoder
from musetalk_fast.media.peak_limiter import CEILING, Limiter
from musetalk_fast.media.sound_mix import check_background, mixed


def _tone(rate: int, secs: float, level: float, pitch: float = 500.0) -> Signal:
    return level * np.sin(2 * np.pi * pitch * np.arange(round(rate * secs)) / rate)


def _wav(path: Path, rate: int, signal: Signal) -> Path:
    return write_wav(path, rate, np.rint(signal * 32767).astype(np.int16))


def _frames(path: Path) -> Iterator[av.AudioFrame]:
    with AudioDecoder(path) as reader:
        yield from reader.frames()


def _mix(voice: Path, beneath: Path, decibels: int, secs: Fraction) -> tuple[Signal, int]:
    frames = list(mixed(_frames(voice), beneath, decibels, secs))
    blocks = [each.to_ndarray().reshape(-1, each.layout.nb_channels) for each in frames]
    return np.concatenate(blocks), frames[0].sample_rate


def test_it_is_repeated_beneath_and_as_loud_as_asked_for(tmp_path: Path) -> None:
    voice = _wav(tmp_path / "v.wav", 16_000, _tone(16_000, 1.0, 0.5))
    sides = np.stack([np.full(4_800, 0.25), np.full(4_800, -0.5)], 1)
    sides[:480] = 0  # where it begins anew
    beneath = _wav(tmp_path / "b.wav", 48_000, sides)
    sound, rate = _mix(voice, beneath, -6, Fraction(3, 2))
    assert (rate, sound.shape) == (48_000, (72_000, 2)), "the higher rate, the more channels"
    half = 10 ** (-6 / 20)
    quiet = sound[50_000:]  # the voice has ended
    at = np.arange(50_000, 72_000) % 4_800
    assert np.abs(quiet[at > 520] - [0.25 * half, -0.5 * half]).max() < 1e-3
    assert np.abs(quiet[(at > 40) & (at < 440)]).max() < 1e-2
    # The voice stays as loud as it is, on both sides.
    apart = sound[:47_000] - np.where((np.arange(47_000) % 4_800 >= 480)[:, None], quiet[600], 0)
    inside = (np.arange(47_000) % 4_800 > 600) & (np.arange(47_000) > 600)
    wanted = _tone(48_000, 1.0, 0.5)[:47_000]
    assert np.abs(apart - wanted[:, None])[inside].max() < 5e-3


def test_nothing_is_above_the_ceiling_and_what_is_quiet_is_untouched(tmp_path: Path) -> None:
    loud = _tone(16_000, 3.0, 0.2)
    loud[16_000:17_000] *= 4.9
    voice = _wav(tmp_path / "v.wav", 16_000, loud)
    beneath = _wav(tmp_path / "b.wav", 16_000, _tone(16_000, 0.5, 0.6, 333.0))
    sound, _ = _mix(voice, beneath, 0, Fraction(3))
    plain = np.rint(loud * 32767) / 32768 + np.tile(
        np.rint(_tone(16_000, 0.5, 0.6, 333.0) * 32767) / 32768, 6
    )
    assert np.abs(plain).max() > 1.4
    assert np.abs(sound).max() <= CEILING + 1e-6
    # 5 ms before it, and half a second after it, as if it were not there.
    for part in (slice(0, 15_800), slice(26_000, 48_000)):
        assert np.abs(sound[part, 0] - plain[part]).max() < 1e-6


@pytest.mark.parametrize("block", [1, 7, 79, 80, 81, 500, 5_000])
def test_the_limiter_gives_the_same_in_any_blocks(block: int) -> None:
    sound = (2 * np.random.default_rng(3).standard_normal((5_003, 2)) ** 3).astype(np.float32)
    limiter = Limiter(16_000)
    parts = [limiter.limited(sound[at : at + block]) for at in range(0, len(sound), block)]
    limited = np.concatenate([*parts, limiter.rest()])
    whole = Limiter(16_000)
    assert np.array_equal(limited, np.concatenate([whole.limited(sound), whole.rest()]))
    assert limited.shape == sound.shape
    assert np.abs(limited).max() <= CEILING + 1e-6


def test_what_has_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no sound at all, whatever its name")
    with pytest.raises(AudioFormatError) as refused:
        check_background(tmp_path / "a.txt")
    assert refused.value.where == str(tmp_path / "a.txt")
