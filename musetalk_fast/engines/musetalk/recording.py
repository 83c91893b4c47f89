"""A recording as the engine keeps it: samples on disk, so that long ones cost no memory."""

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
        check: called before each window is written; may raise to stop.

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

    def window(self, number: int) -> NDArray[np.float32]:
        """The samples of one window, -1..1; fewer in the last one."""
        length = 2 * WINDOW_SAMPLES
        data = os.pread(self._file.fileno(), length, number * length)
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(1 << 15)
