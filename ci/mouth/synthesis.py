"""Speech with known phonemes: sentences spoken by flite's voices."""

from __future__ import annotations

import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from phonemes import SILENCE, Phone, labels

VOICES = ("rms", "awb", "slt", "kal16")
"""A man from the United States, one from Scotland, a woman from the United States, diphones."""
STRETCHES = (0.9, 1.05, 1.2)
"""Durations relative to the voice's own; sentences take turns."""

HOP = 160
RATE = 16_000
_NAMES = {"pau": SILENCE, "ax": "AH", "axr": "ER", "dx": "D", "el": "L", "em": "M", "en": "N"}
"""flite's names that ARPAbet of this folder lacks."""


class Recording(NamedTuple):
    """Sound, (n,) int16 at 16 kHz, and the phoneme's name at each hundredth of a second."""

    pcm: NDArray[np.int16]
    names: NDArray[np.str_]


def recordings(sentences: Sequence[str], each: int) -> Iterator[Recording]:
    """All sentences by all voices, `each` of them in one recording."""
    for voice in VOICES:
        for start in range(0, len(sentences), each):
            spoken = [
                speak(text, voice, STRETCHES[(start + k) % len(STRETCHES)])
                for k, text in enumerate(sentences[start : start + each])
            ]
            pcm, names = zip(*spoken, strict=True)
            yield Recording(np.concatenate(pcm), np.concatenate(names))


def speak(text: str, voice: str, stretch: float) -> Recording:
    """One sentence by flite, which reports when each of its phonemes ends."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "speech.wav")
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch}"]
        command += ["-psdur", "-t", text, "-o", str(path)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        with wave.open(str(path)) as file:
            if file.getframerate() != RATE:
                raise SystemExit(f"flite's voice {voice} has {file.getframerate()} Hz, not {RATE}")
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
    count = len(pcm) // HOP
    return Recording(pcm[: count * HOP], labels(list(_phones(printed)), count))


def _phones(printed: str) -> Iterator[Phone]:
    start = 0.0
    for each in printed.split():
        name, end = each.split(":")
        yield Phone(start, float(end) - start, _NAMES.get(name, name.upper()))
        start = float(end)
