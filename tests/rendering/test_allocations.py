"""In steady state nothing above 4 KB is allocated for a frame, from received bytes to planes.

PNG crops are left out: zlib makes a window of 32 KB for each.
"""

from __future__ import annotations

import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from musetalk_fast.types import CROP_SIZE, Box, CropEncoding, Face, Rows
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.encoders import EncoderSettings
from musetalk_fast.wire import binary, ndjson
from musetalk_fast.wire.crops import crop_view, encode_crop
from musetalk_fast.wire.messages import Frame

LIMIT = 4096
WAITING = 32
"""Frames between socket and encoder."""
FRAMES, WARM = 150, 100
BOX = Box(100, 60, 200, 200)
FACE = Face(0, BOX, BOX, np.full((BOX.height, BOX.width), 200, np.uint8))


class Peaks:
    """The most that a step has allocated at a time, once it is warm."""

    def __init__(self) -> None:
        self._steps: dict[str, int] = {}
        self.highest: dict[str, int] = {}

    def of(self, name: str, step: Callable[..., Any], *args: Any) -> Any:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        result = step(*args)
        _, peak = tracemalloc.get_traced_memory()
        self._steps[name] = self._steps.get(name, 0) + 1
        if self._steps[name] > WARM:
            self.highest[name] = max(self.highest.get(name, 0), peak - before)
        return result


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def _messages(module: Any, encoding: CropEncoding) -> list[bytes]:
    crop = np.random.default_rng(1).integers(0, 256, (CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8)
    rows = Rows(0, CROP_SIZE)
    data = encode_crop(crop, encoding, rows)
    frames = (Frame(index=n, source=0, encoding=encoding, data=data) for n in range(FRAMES))
    return [module.encode(frame) for frame in frames]


def _pieces(messages: list[bytes], size: int | None) -> Iterator[bytes]:
    """As a socket gives them: one message each, or cut anywhere."""
    if size is None:
        yield from messages
        return
    stream = b"".join(messages)
    for start in range(0, len(stream), size):
        yield stream[start : start + size]


def _render(decoder: Any, pieces: Iterator[bytes], peaks: Peaks) -> None:
    encoder = EncoderSettings("libx264", "mp4", "yuv420p", {}, 250, 1)
    picture = np.zeros((360, 640, 3), np.uint8)
    compositor = StillCompositor(picture, FACE, encoder, Fraction(25))
    scratch = np.empty((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    waiting: deque[Frame] = deque()
    places = set()
    for piece in pieces:
        waiting.extend(peaks.of("parse", decoder.feed, piece))
        while len(waiting) > WAITING:
            frame = waiting.popleft()
            crop = peaks.of("crop", crop_view, frame, scratch)
            shown = peaks.of("compose", compositor.compose, crop, frame.rows.first, frame.index)
            places.add(shown.planes[0].buffer_ptr)
            del frame, crop
    assert len(places) == 1  # FFmpeg's memory is not traced: it must stay where it is


@pytest.mark.parametrize("size", [None, 100_000, 256_000])
@pytest.mark.parametrize(
    ("module", "encoding"),
    [
        (binary, CropEncoding.RAW),
        (ndjson, CropEncoding.RAW),
        (binary, CropEncoding.JPEG),
    ],
)
def test_nothing_large_is_allocated(module: Any, encoding: CropEncoding, size: int | None) -> None:
    peaks = Peaks()
    _render(module.Decoder(), _pieces(_messages(module, encoding), size), peaks)
    assert {"crop", "compose"} <= set(peaks.highest)
    assert max(peaks.highest.values()) < LIMIT, peaks.highest


def test_the_measure_can_fail() -> None:
    peaks = Peaks()
    for _ in range(WARM + 1):
        peaks.of("copy", bytes, 2 * LIMIT)
    assert peaks.highest["copy"] > LIMIT
