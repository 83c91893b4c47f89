from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from musetalk_fast.media.speech_levels import speech_levels
from musetalk_fast.media.wav import WavWriter


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second at half of full scale, one at a twentieth, one of silence."""
    path = tmp_path_factory.mktemp("levels") / "speech.wav"
    with WavWriter(path) as writer:
        for level in (16384, 1638, 0):
            writer.write(np.full(16_000, level, np.int16))
    return path


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(240, 19)])
def test_levels_are_those_of_their_times(wav: Path, fps: Fraction) -> None:
    levels = speech_levels(wav, Fraction(0), 1 / fps, int(3 * fps))
    second = int(fps)
    np.testing.assert_allclose(levels[: second - 1], -6.0, atol=0.1)
    np.testing.assert_allclose(levels[second + 2 : 2 * second - 2], -26.0, atol=0.1)
    np.testing.assert_allclose(levels[2 * second + 2 :], -120.0)


def test_a_segment_reads_its_own_time_and_silence_beyond_the_end(wav: Path) -> None:
    levels = speech_levels(wav, Fraction(3, 2), Fraction(2, 25), 40)
    np.testing.assert_allclose(levels[:6], -26.0, atol=0.1)
    np.testing.assert_allclose(levels[7:], -120.0)
    assert speech_levels(wav, Fraction(900), Fraction(1, 25), 3).tolist() == [-120.0] * 3
    assert len(speech_levels(wav, Fraction(0), Fraction(1, 25), 0)) == 0
