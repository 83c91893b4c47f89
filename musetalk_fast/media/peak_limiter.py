"""Keeps a mix below full scale without touching what is below it already."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from musetalk_fast.media.audio_decoder import Sound

CEILING = 10 ** (-1 / 20)
"""1 dB below full scale: encoders that lose something overshoot a little (EBU R 128)."""

_STEPS_A_SEC = 200
_RECOVERY = 0.02
"""Of the gain in a step of 5 ms: a quarter of a second from half to all."""


class Limiter:
    """Turns loud moments down, a step of 5 ms before they come, and slowly up again.

    At a step's ends the gain is what the louder of the two steps beside it needs, and between them
    on a straight line: no sample is above the ceiling, whatever comes. Memory does not grow.

    Args:
        rate: samples a second.
    """

    def __init__(self, rate: int) -> None:
        self._step = max(1, rate // _STEPS_A_SEC)
        self._waiting: Sound | None = None
        self._gain: float | None = None
        """At the end of the last step; None: nothing came yet."""

    def limited(self, sound: Sound) -> Sound:
        """What may leave now: all but the last step.

        Args:
            sound: (n, channels) that follow what was given before.
        """
        waiting = sound if self._waiting is None else np.concatenate((self._waiting, sound))
        steps = max(0, len(waiting) // self._step - 1)
        cut = steps * self._step
        needed = [self._needs(waiting[at : at + self._step]) for at in range(0, cut, self._step)]
        needed.append(self._needs(waiting[cut : cut + self._step]))
        self._waiting = waiting[cut:].copy()
        return self._turned_down(waiting[:cut], needed)

    def rest(self) -> Sound:
        """What still waits, at the end."""
        waiting = self._waiting
        if waiting is None or not len(waiting):
            return np.zeros((0, 1), np.float32)
        self._waiting = None
        gain = min(1.0 if self._gain is None else self._gain, self._needs(waiting))
        return np.asarray(waiting * np.float32(gain))

    def _turned_down(self, sound: Sound, needed: list[float]) -> Sound:
        """Steps by what each needs, and the step after them."""
        if not len(sound):
            return sound
        gain = needed[0] if self._gain is None else self._gain
        self._gain = gain
        if gain == 1 and min(needed) == 1:
            return sound
        turned = sound.copy()
        for number, (this, following) in enumerate(pairwise(needed)):
            after = min(this, following, gain + _RECOVERY, 1.0)
            ramp = np.linspace(gain, after, self._step, dtype=np.float32)
            turned[number * self._step : (number + 1) * self._step] *= ramp[:, None]
            gain = after
        self._gain = gain
        return turned

    def _needs(self, step: Sound) -> float:
        peak = float(np.abs(step).max()) if len(step) else 0.0
        return 1.0 if peak <= CEILING else CEILING / peak
