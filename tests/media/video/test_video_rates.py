"""The rate that time stamps keep to, and what is done with those that keep to none."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from musetalk_fast.errors import VideoFormatError
from musetalk_fast.media.video.frame_rate import timing

MS = Fraction(1, 1000)
NTSC = [Fraction(rate * 1000, 1001) for rate in (24, 30, 60)]


def rounded(rate: Fraction, frames: int, tick: Fraction) -> np.ndarray:
    """The stamps of a constant rate in a coarse time base."""
    each = 1 / (rate * tick)
    doubled = np.arange(frames, dtype=np.int64) * 2 * each.numerator
    return (doubled + each.denominator) // (2 * each.denominator)


@pytest.mark.parametrize("rate", [*NTSC, Fraction(25), Fraction(50), Fraction(49, 2)])
@pytest.mark.parametrize("frames", [3, 100, 100_000])
def test_rounded_stamps_have_the_rate_that_they_were_rounded_from(
    rate: Fraction, frames: int
) -> None:
    stamps = rounded(rate, frames, MS) + 17
    assert timing(stamps, 0, MS, [rate]) == (rate, None)


@pytest.mark.parametrize("rate", [*NTSC, Fraction(25), Fraction(60)])
def test_without_a_claim_the_stamps_alone_say_it(rate: Fraction) -> None:
    assert timing(rounded(rate, 2000, MS), 0, MS, [None, Fraction(0)]) == (rate, None)
    exact = np.arange(5, dtype=np.int64) * rate.denominator
    assert timing(exact, 0, Fraction(1, rate.numerator), []) == (rate, None)


def test_an_exact_rate_of_no_standard_is_kept() -> None:
    rate = Fraction(1234, 47)
    stamps = np.arange(9, dtype=np.int64) * 47
    assert timing(stamps, 47, Fraction(1, 1234), [Fraction(26)]) == (rate, None)
    counted = np.arange(9, dtype=np.int64)
    assert timing(counted, 1, Fraction(2, 49), [Fraction(49, 2)]) == (Fraction(49, 2), None)


def test_the_jitter_of_a_phone_is_no_variable_rate() -> None:
    rate, tick = NTSC[2], Fraction(1, 90_000)
    jitter = np.random.default_rng(2).integers(-100, 101, 600)
    stamps = rounded(rate, 600, tick) + jitter
    assert timing(stamps, 1500, tick, [Fraction(5993, 100)]) == (rate, None)


def test_frames_that_were_left_out_leave_their_places_empty() -> None:
    rate, tick = Fraction(30), Fraction(1, 90_000)
    places = [0, 1, 2, 5, 6, 7, 8, 9, 30]
    jitter = np.random.default_rng(2).integers(-100, 101, len(places))
    stamps = np.array(places) * 3000 + jitter
    found = timing(stamps, 6000, tick, [Fraction(2712, 100)])
    assert found.rate == rate
    assert found.timestamps is not None
    assert (list(found.timestamps.starts), found.timestamps.end) == (places, 32)
    assert found.timestamps.tick == 1 / rate


def test_other_times_are_used_as_they_are() -> None:
    stamps = np.array([40, 1040, 2490, 3500, 4700, 5900], np.int64)
    found = timing(stamps, 700, Fraction(1, 25_000), [Fraction(25)])
    assert found.rate in (Fraction(20), Fraction(25), Fraction(24), Fraction(1000, 48))
    assert found.timestamps is not None
    assert list(found.timestamps.starts) == [0, 1000, 2450, 3460, 4660, 5860]
    assert (found.timestamps.end, found.timestamps.tick) == (6560, Fraction(1, 25_000))


def test_a_single_frame_has_the_rate_that_is_claimed() -> None:
    one = np.array([7], np.int64)
    assert timing(one, 40, MS, [None, Fraction(30)]) == (30, None)
    assert timing(one, 40, MS, []) == (25, None)
    assert timing(one, 0, MS, []) == (25, None)


@pytest.mark.parametrize(("step", "tick"), [(1, Fraction(1, 5000)), (1000, Fraction(1, 10))])
def test_impossible_rates_are_refused(step: int, tick: Fraction) -> None:
    with pytest.raises(VideoFormatError, match="frames a second are outside"):
        timing(np.arange(5, dtype=np.int64) * step, step, tick, [])
