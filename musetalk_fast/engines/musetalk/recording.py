"""A recording on disk as the engine reads it, in constant memory."""

from __future__ import annotations

import itertools
import os
import tempfile
import weakref

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import CancelCheck
from musetalk_fast.types import SPEECH_RATE, Pcm

WINDOW_SAMPLES = 30 * SPEECH_RATE
"""Of what Whisper hears at a time: half a minute."""

_SERIALS = itertools.count()


class Recording:
    """Speech, in a file that has no name; read by several threads.

    Args:
        pcm: (n,) int16, mono, 16 kHz.
        check: called before each half minute is written; may raise to stop.

    Attributes:
        serial: no other recording of this process has it.
        samples: how many there are.
    """

    def __init__(self, pcm: Pcm, check: CancelCheck) -> None:
        self.serial = next(_SERIALS)
        self.samples = len(pcm)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
        weakref.finalize(self, self._file.close)
        for start in range(0, len(pcm), WINDOW_SAMPLES):
            check()
            self._file.write(pcm[start : start + WINDOW_SAMPLES].astype("<i2").tobytes())
        self._file.flush()

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """Samples from one on, -1..1; fewer at the end."""
        data = os.pread(self._file.fileno(), 2 * count, 2 * start)
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(1 << 15)
