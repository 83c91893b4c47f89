"""How far a mouth moves, and how that follows the speech."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numbered_video import HEIGHT, WIDTH, compositor_of, crop_of, decode, encoder_for, frame_of
from numpy.typing import NDArray

from musetalk_fast.types import BT709, Box
from musetalk_fast.video.mouth_motion import (
    MotionMeter,
    MotionSums,
    is_still,
    mouth_figures,
    mouth_grid,
    sampled_every,
)
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.part_trailer import sums_of_trailer
from musetalk_fast.video.parts import read_part

LOOK = Fraction(2, 25)
SUMS = MotionSums(10.0, 25.5, -330.0, 90.25, 12_000.0, -700.0, 3.5, 11.0)


def _speech(count: int) -> NDArray[np.float64]:
    """A second of speech, a second of silence, and so on: dB."""
    return np.where(np.arange(count) // 12 % 2 == 0, -20.0, -70.0)


def _sums(levels: NDArray[np.float64], steps: NDArray[np.int_], bits: int = 8) -> MotionSums:
    """Of a mouth whose samples change by `steps`."""
    meter = MotionMeter(1 if bits == 8 else 2, bits)
    values = 100 + np.concatenate([[0], np.cumsum(steps * (-1) ** np.arange(len(steps)))])
    for value in values << (bits - 8):
        meter.add(np.full(192, value, np.uint8 if bits == 8 else np.uint16).tobytes())
    assert meter.intervals == len(steps)
    return meter.sums(levels, LOOK)


@pytest.mark.parametrize("bits", [8, 10, 16])
def test_a_mouth_that_speaks_when_there_is_speech(bits: int) -> None:
    levels = _speech(600)
    figures = mouth_figures([_sums(levels, np.where(levels > -40, 6, 0), bits)])
    assert figures is not None
    assert figures.moved == pytest.approx(6.0, abs=0.01)
    assert figures.follows is not None
    assert figures.follows > 0.95
    assert figures.speech_secs == pytest.approx(24.0, abs=0.1)
    assert not is_still(figures)


def test_a_mouth_that_moves_at_the_wrong_time_does_not_follow() -> None:
    levels = _speech(600)
    figures = mouth_figures([_sums(levels, np.where(levels > -40, 0, 6))])
    assert figures is not None
    assert figures.follows is not None
    assert figures.follows < -0.95
    assert is_still(figures)


def test_a_still_mouth() -> None:
    figures = mouth_figures([_sums(_speech(100), np.zeros(100, int))])
    assert figures is not None
    assert (figures.moved, figures.follows) == (0.0, None)
    assert is_still(figures)


def test_silence_is_no_reason_to_move() -> None:
    figures = mouth_figures([_sums(np.full(100, -80.0), np.zeros(100, int))])
    assert figures is not None
    assert (figures.moved, figures.follows, figures.speech_secs) == (None, None, 0.0)
    assert not is_still(figures)


def test_parts_add_up_in_any_order_and_without_those_that_lack_figures() -> None:
    levels = _speech(600)
    steps = np.where(levels > -40, 6, 1)
    parts = [_sums(levels[at : at + 200], steps[at : at + 200]) for at in (0, 200, 400)]
    together = mouth_figures([_sums(levels, steps)])
    assert mouth_figures(parts) == mouth_figures([parts[2], None, parts[0], parts[1]]) == together
    assert mouth_figures([None, None]) is None
    assert mouth_figures([]) is None


def test_a_segment_of_one_frame_has_no_motion() -> None:
    meter = MotionMeter(1, 8)
    meter.add(b"1")
    assert meter.sums(np.zeros(0), LOOK) == MotionSums()
    meter.add(None)
    assert meter.intervals == 0


@pytest.mark.parametrize(("fps", "every"), [(1, 1), (25, 2), (30, 2), (60, 5), (240, 19)])
def test_it_looks_a_dozen_times_a_second(fps: int, every: int) -> None:
    assert sampled_every(Fraction(fps)) == every


@pytest.mark.parametrize(
    "box", [Box(100, 200, 430, 215), Box(0, 0, 1, 1), Box(-50, 590, 300, 40), Box(630, 470, 90, 90)]
)
def test_the_grid_is_small_and_in_the_picture(box: Box) -> None:
    samples = np.zeros((480, 640))[mouth_grid(box, 640, 480)]
    assert 1 <= samples.size <= 192


@pytest.mark.parametrize("name", ["o.mp4", "o.webm"])
def test_a_part_keeps_what_was_measured(tmp_path: Path, name: str) -> None:
    fps = Fraction(25)
    encoder = encoder_for(Path(name), fps)
    path = tmp_path / f"0{encoder.part_suffix}"
    compositor = compositor_of(encoder, fps)
    part = PartEncoder(path, encoder, WIDTH, HEIGHT, fps, BT709, 0, "label")
    for number in range(12):
        part.encode(compositor.compose(frame_of(crop_of(number), number), number))
    finished = part.finish(SUMS)
    assert finished.motion == SUMS
    assert read_part(path, fps) == finished
    assert finished.bytes == path.stat().st_size
    assert decode(path).numbers == [*range(12)]


def test_what_is_no_trailer_is_none() -> None:
    assert sums_of_trailer(b"") is None
    assert sums_of_trailer(bytes(72)) is None
    assert sums_of_trailer(b"MTFmouth" + np.full(8, np.nan).tobytes()) is None
