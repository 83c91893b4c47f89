"""The response of POST /infer, against the fastest parsers of the complete document."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pybase64
import pytest

from musetalk_fast.kernels.png import encode_png
from musetalk_fast.wire.infer import Decoder

FRAMES = 40
CHUNK = 1 << 18
LEAST_MB = 300
"""A second, of base64."""


def _answer() -> tuple[bytes, list[bytes]]:
    """40 PNGs of 512x512 pixels, and the document that holds them: 34 MB."""
    rng = np.random.default_rng(3)
    smooth = np.cumsum(rng.integers(-2, 3, (512, 512, 3)), axis=1).astype(np.uint8)
    pictures = [encode_png(np.roll(smooth, index, axis=0), level=1) for index in range(FRAMES)]
    frames = [
        {"index": index, "data": base64.b64encode(data).decode()}
        for index, data in enumerate(pictures)
    ]
    document = {"status": "success", "total_frames": FRAMES, "fps": 25, "frames": frames}
    return orjson.dumps(document), pictures


def _as_it_arrives(text: bytes) -> list[Any]:
    decoder = Decoder(FRAMES, 1 << 24)
    found: list[Any] = []
    for at in range(0, len(text), CHUNK):
        found += [frame.data for frame in decoder.feed(text[at : at + CHUNK])]
    decoder.close()
    return found


def _complete(text: bytes) -> list[Any]:
    joined = b"".join(text[at : at + CHUNK] for at in range(0, len(text), CHUNK))
    decode = pybase64.b64decode
    return [decode(frame["data"], validate=True) for frame in orjson.loads(joined)["frames"]]


def test_answer(
    compare: Any, benchmark: Any, note: Callable[[str], None], pytestconfig: pytest.Config
) -> None:
    text, pictures = _answer()
    assert [bytes(data) for data in _as_it_arrives(text)] == _complete(text) == pictures
    compare(
        "wire/infer-40-frames",
        f"an answer of {FRAMES} PNGs of 512x512, {len(text) >> 20} MB, in pieces of {CHUNK}",
        lambda: _as_it_arrives(text),
        "orjson + pybase64, complete",
        lambda: _complete(text),
        rounds=20,
    )
    speed = len(text) / 1e6 / benchmark.stats.stats.median
    note(f"wire/infer-40-frames: {speed:.0f} MB of base64 a second; at least {LEAST_MB}")
    # A full run has the machine for itself; a comparison of two revisions may not.
    assert speed >= LEAST_MB or not pytestconfig.getoption("bars")
