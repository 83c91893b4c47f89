"""Where frames begin, by stamps of every kind."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import av
import pytest

from musetalk_fast.media.audio_timeline import Piece, Timeline, stamped

TICK = 0.001
LENGTH = 0.02


def _starts(
    stamps: Iterable[float | None], lost: Iterable[float] = (), *, resets: bool = False
) -> list[float]:
    """Where frames of 20 ms with these stamps begin."""
    given = list(stamps)
    losses = [*lost, *[0.0] * len(given)]
    frames = [av.AudioFrame(format="flt", layout="mono", samples=960) for _ in given]
    for frame in frames:
        frame.sample_rate = 48_000
    pieces = [
        Piece(frame, stamp, TICK, loss)
        for frame, stamp, loss in zip(frames, given, losses, strict=False)
    ]
    timeline, now, starts = Timeline(resets=resets), 0.0, []
    for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
        now = timeline.start(piece, following, now)
        starts.append(round(now, 6))
        now += LENGTH
    return starts


EVEN = [0.0, 0.02, 0.04, 0.06]

CASES = {
    "no clock": ([None] * 4, EVEN),
    "a clock that begins anywhere": ([1.4, 1.42, 1.44, 1.46], EVEN),
    "rounded": ([0.0, 0.021, 0.039, 0.061], EVEN),
    "a gap": ([0.0, 0.02, 0.1, 0.12], [0.0, 0.02, 0.1, 0.12]),
    "gaps that add up": ([0.0, 0.03, 0.06, 0.09], [0.0, 0.02, 0.06, 0.08]),
    "overlapping": ([0.0, 0.01, 0.02, 0.03], EVEN),
    "a late stamp, then right ones": ([0.0, 0.04, 0.04, 0.06], [0.0, 0.04, 0.06, 0.08]),
    "a wild stamp": ([0.0, 7.0, 0.04, 0.06], EVEN),
    "a long gap": ([0.0, 7.0, 7.02, 7.04], [0.0, 7.0, 7.02, 7.04]),
    "a wild one at the end": ([0.0, 0.02, 0.04, 9.0], [0.0, 0.02, 0.04, 9.0]),
    "begins anew": ([5.0, 5.02, 0.0, 0.1], [0.0, 0.02, 0.04, 0.14]),
}


@pytest.mark.parametrize("name", CASES)
def test_where_frames_begin(name: str) -> None:
    stamps, starts = CASES[name]
    assert _starts(stamps) == starts


def test_a_clock_that_may_be_set_anew_is_no_gap() -> None:
    stamps = [0.0, 0.02, 20.0, 20.02]
    assert _starts(stamps) == stamps
    assert _starts(stamps, resets=True) == EVEN


def test_what_was_lost_takes_its_time_where_no_clock_says_it() -> None:
    assert _starts([None] * 3, [0.0, 0.06]) == [0.0, 0.08, 0.1]
    assert _starts([0.0, 0.02, 0.04], [0.0, 0.06]) == [0.0, 0.02, 0.04]
    assert _starts([0.0, 0.1, 0.12], [0.0, 0.06]) == [0.0, 0.1, 0.12]


def test_a_format_without_a_clock_has_no_stamps() -> None:
    frame = av.AudioFrame(format="flt", layout="mono", samples=960)
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 480, Fraction(1, 48_000)
    assert stamped(frame, 0.0, timed=False).start is None
    assert stamped(frame, 0.0, timed=True).start == pytest.approx(0.01)
