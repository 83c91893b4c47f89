from __future__ import annotations

import base64
import time
from typing import Any

import numpy as np
import pybase64
import pytest

from musetalk_fast.kernels.base64 import decode_into


def _text(characters: int) -> bytes:
    data = np.random.default_rng(1).integers(0, 256, characters // 4 * 3, dtype=np.uint8)
    return base64.b64encode(data.tobytes())


@pytest.mark.parametrize(("characters", "rounds"), [(262_144, 3000), (8_294_400, 300)])
def test_against_pybase64(compare: Any, characters: int, rounds: int) -> None:
    text, out = _text(characters), np.empty(characters // 4 * 3, np.uint8)
    decode_into(text, out)
    assert out.tobytes() == pybase64.b64decode(text, validate=True)
    compare(
        f"kernel/base64-{characters}",
        f"{characters} characters of noise",
        lambda: decode_into(text, out),
        "pybase64.b64decode(validate=True)",
        lambda: pybase64.b64decode(text, validate=True),
        rounds=rounds,
        timer=time.process_time if characters > 1_000_000 else time.perf_counter,
    )


def test_against_the_standard_library(compare: Any) -> None:
    text, out = _text(262_144), np.empty(196_608, np.uint8)
    decode_into(text, out)
    assert out.tobytes() == base64.b64decode(text)
    compare(
        "kernel/base64-262144-stdlib",
        "262144 characters of noise",
        lambda: decode_into(text, out),
        "base64.b64decode",
        lambda: base64.b64decode(text),
        rounds=1500,
        rival_every=5,
        timer=time.process_time,
    )
