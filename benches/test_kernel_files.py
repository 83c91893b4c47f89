"""JPEG crops into an array that is used again."""

from __future__ import annotations

import io
import time
from typing import Any

import cv2
import numpy as np
from PIL import Image

from musetalk_fast.kernels.jpeg import decode_jpeg_into, encode_jpeg
from musetalk_fast.types import Crop


def _crop() -> Crop:
    noise = np.random.default_rng(2).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX)


def _pillow(data: bytes) -> Crop:
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def test_jpeg(compare: Any) -> None:
    data, out = encode_jpeg(_crop()), np.empty((256, 256, 3), np.uint8)
    decode_jpeg_into(data, out)
    assert np.abs(out.astype(int) - _pillow(data)).max() <= 2
    compare(
        "kernel/jpeg-crop",
        f"a smooth 256x256 crop, quality 95, {len(data)} bytes",
        lambda: decode_jpeg_into(data, out),
        "PIL.Image.open, np.array",
        lambda: _pillow(data),
        rounds=400,
        timer=time.process_time,
    )
