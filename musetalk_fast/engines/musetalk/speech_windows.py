"""Which of Whisper's features a frame sees, and from which piece of the recording they are.

MuseTalk reads ten features, fifty a second, from `floor(f * 50 / fps) - 4` on (frame f): from 80 ms
before the frame to 120 ms after its beginning. Before the sound and after it there are zeros.

At 25 to 49 frames a second this is what MuseTalk does. At others its own left padding, of
`2 * ceil(50 / fps)` features, moves the window: below 25 it is too early, by 40 ms at 24 (nearly a
frame) and by 120 ms at 12; from 50 on it is 40 ms too late (two frames at 50), and there MuseTalk
stops with an error. Here the window stays where it was in training.
"""

from __future__ import annotations

from musetalk_fast.engines.musetalk.architecture import FEATURES
from musetalk_fast.types import SPEECH_RATE

FEATURE_RATE = 50
WINDOW = 10
"""Features of a frame: 2 * (2 + 2 + 1)."""
BEFORE = 4
"""Of these, that lie before the frame's beginning: 2 * ceil(50 / 25)."""

_STEP = FEATURES * 2 // 3
"""From the beginning of an overlapping piece to that of the next: 20 s, so that 10 s are shared."""
_FADE_FROM, _FADE = 200, 100
"""Into what is shared: 4 s of context on either side of 2 s over which one piece becomes the next:
where Whisper counts its places anew, its features jump, whatever the context."""


def first_feature(frame: int, fps: tuple[int, int]) -> int:
    """The first feature that a frame sees; below 0: before the sound.

    Args:
        fps: frames a second as (numerator, denominator); any rate, exactly.
    """
    numerator, denominator = fps
    return frame * FEATURE_RATE * denominator // numerator - BEFORE


def feature_count(samples: int) -> int:
    """Features of a recording at 16 kHz; what Whisper's window holds beyond it is cut off."""
    return samples * FEATURE_RATE // SPEECH_RATE


def first_sample(feature: int) -> int:
    """Where a feature's time begins, at 16 kHz."""
    return feature * SPEECH_RATE // FEATURE_RATE


def pieces_of(place: int, count: int, *, overlap: bool) -> list[tuple[int, float]]:
    """The pieces of half a minute that a feature is taken from: first features, and shares.

    Args:
        place: of the feature, in its recording.
        count: features of the recording.
        overlap: pieces begin every 20 s, each going on until the recording's end or for 30 s;
            else they stand one behind the other, as MuseTalk has them.
    """
    if not overlap:
        return [(place - place % FEATURES, 1.0)]
    last = max(0, -(-(count - FEATURES) // _STEP))
    piece = min(place // _STEP, last)
    into = place - piece * _STEP
    if piece == 0 or into >= _FADE_FROM + _FADE:
        return [(piece * _STEP, 1.0)]
    share = max(0.0, (into - _FADE_FROM + 0.5) / _FADE)
    before = ((piece - 1) * _STEP, 1.0 - share)
    return [before, (piece * _STEP, share)] if share else [before]
