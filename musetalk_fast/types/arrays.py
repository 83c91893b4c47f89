"""Pictures and sound as arrays: shapes, dtypes, colour order and rates."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CROP_SIZE",
    "SPEECH_RATE",
    "Crop",
    "Mask",
    "Pcm",
    "Picture",
]


Picture: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

Crop: TypeAlias = NDArray[np.uint8]
"""(rows, 256, 3) uint8 RGB: the mouth picture, or a window of its rows."""

Mask: TypeAlias = NDArray[np.uint8]
"""(h, w) uint8: 255 takes the crop, 0 keeps the avatar."""

Pcm: TypeAlias = NDArray[np.int16]
"""(samples,) int16, mono, 16 kHz."""

CROP_SIZE = 256
"""Side of a crop in pixels (MuseTalk's VAE works on 256 x 256)."""

SPEECH_RATE = 16_000
"""Samples a second of the sound a server gets (Whisper's rate)."""
