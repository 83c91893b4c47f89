"""Sound and pictures are in step at both ends; `ci/in_step.py` does the same with ten hours."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from flash_and_click import RATES, heard, joined, make_film, make_recording, seen


@pytest.mark.parametrize(
    ("fps", "suffix", "rate", "is_copied"),
    [
        ("23.976", "mp3", 44_100, True),
        ("29.97", "m4a", 48_000, True),
        ("59.94", "mp3", 48_000, False),
        ("25", "m4a", 44_100, False),
    ],
)
def test_a_flash_and_its_click_are_one_moment(
    tmp_path: Path, fps: str, suffix: str, rate: int, is_copied: bool
) -> None:
    film = make_film(tmp_path, RATES[fps], 14)
    recording = make_recording(tmp_path / f"a.{suffix}", rate, film)
    output = joined(film, recording, tmp_path / "o.mp4", is_copied=is_copied)
    for moment in film.moments:
        assert seen(output, moment - Fraction(1, 2)) == moment
        apart = heard(output, moment - Fraction(1, 2)) - moment
        assert abs(apart) <= 2 / rate, "a sample for the click's place, one for the codec"
