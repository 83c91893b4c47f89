"""Which of Whisper's features a frame sees.

MuseTalk reads ten features, fifty a second, from `floor(f * 50 / fps) - 4` on (frame f): from 80 ms
before the frame to 120 ms after its beginning. Before the sound and after it there are zeros.

At 25 to 49 frames a second this is what MuseTalk does. At others its own left padding moves the
window by 40 ms (`ceil(50 / fps) * 2` features): by half a frame's time too early below 25, too late
from 50 on, where it then stops with an error. Here the window stays where it was in training.
"""

from __future__ import annotations

from musetalk_fast.types import SPEECH_RATE

FEATURE_RATE = 50
WINDOW = 10
"""Features of a frame: 2 * (2 + 2 + 1)."""
BEFORE = 4
"""Of these, that lie before the frame's beginning: 2 * ceil(50 / 25)."""


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
