"""Parts made on different machines are the same bytes: x264 does not follow its processor."""

from __future__ import annotations

import platform
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from musetalk_fast.config import OutputSettings
from musetalk_fast.kernels.h264_bits import IDR, NON_IDR, split_nal_units
from musetalk_fast.types import BT709
from musetalk_fast.video.encoder_selection import resolve

FPS = Fraction(25)
SIDE, FRAMES = 128, 10
FLAG = "cpu-independent=1"


@cache
def moving() -> list[NDArray[np.uint8]]:
    """A grainy picture that moves: planes of yuv420p, one below the other."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    waves = 128 + 50 * np.sin(rows / 9) + 40 * np.cos(columns / 7) + rng.normal(0, 4, rows.shape)
    chroma = np.full((SIDE // 2, SIDE), 120)
    lumas = (np.roll(waves, n, 1) + rng.normal(0, 3, waves.shape) for n in range(FRAMES))
    return [np.vstack([np.clip(luma, 0, 255), chroma]).astype(np.uint8) for luma in lumas]


def slices(preset: str, asm: str, *, is_independent: bool = True) -> list[bytes]:
    """What a processor with these instruction sets makes of it, but for the text of its options."""
    settings = resolve(OutputSettings(preset=preset), Path("o.mp4"), SIDE, SIDE, FPS, BT709)
    context = av.CodecContext.create(settings.codec, "w")
    settings.configure(context, SIDE, SIDE, FPS, BT709)
    params = settings.options["x264-params"]
    assert FLAG in params.split(":")
    params = params if is_independent else params.replace(FLAG, "cpu-independent=0")
    context.options = {**settings.options, "x264-params": f"{params}:asm={asm}"}
    packets = []
    for number, picture in enumerate(moving()):
        frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    units = [unit for packet in packets for unit in split_nal_units(bytes(packet))]
    return [unit for unit in units if unit[0] & 31 in (NON_IDR, IDR)]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the instruction sets of another one")
@pytest.mark.parametrize("preset", ["ultrafast", "veryfast", "medium"])
def test_any_processor_makes_the_same_bytes(preset: str) -> None:
    best, oldest = (slices(preset, asm) for asm in ("auto", "sse2"))
    assert len(best) == FRAMES
    assert best == oldest
    # Where 4x4 blocks are predicted, its choice is the processor's otherwise.
    if preset != "ultrafast":
        assert slices(preset, "auto", is_independent=False) != oldest
