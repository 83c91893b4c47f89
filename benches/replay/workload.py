"""A speaking portrait of any size: its picture, its face and its crops, from `content.py`."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musetalk_fast.kernels.paste_rows import window
from musetalk_fast.types import SPEECH_RATE, Box, Face, Rows

CROPS = 64
"""Different ones; they follow each other in turn."""


@dataclass(frozen=True)
class Workload:
    """A prepared avatar in a folder.

    Attributes:
        crops: (CROPS, 256, 256, 3) uint8 RGB.
    """

    folder: Path
    face: Face
    crops: np.ndarray

    @property
    def avatar(self) -> Path:
        return self.folder / "avatar.png"

    @property
    def rows(self) -> Rows:
        return window(self.face)

    def speech(self, frames: int) -> Path:
        """A recording of that many frames at 25 a second: silence."""
        path = self.folder / f"{frames}.wav"
        if not path.exists():
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(SPEECH_RATE)
                file.writeframes(bytes(2 * SPEECH_RATE * frames // 25))
        return path


def load_workload(folder: Path) -> Workload:
    """What `make_workload` has stored; crops that are not read take no memory."""
    kept = np.load(folder / "workload.npz")
    box, mask_box = (Box(*map(int, kept[name])) for name in ("box", "mask_box"))
    face = Face(0, box, mask_box, kept["mask"])
    return Workload(folder, face, np.load(folder / "crops.npy", mmap_mode="r"))
