from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.kernels.reference import crc32c as reference


@pytest.mark.parametrize("size", [113_664, 262_144])
def test_against_zlibs_crc32(compare: Any, size: int) -> None:
    """A checksum of another polynomial, but what Python has at hand; equality: the reference."""
    data = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
    assert crc32c(data) == reference.crc32c(data, 0)
    compare(
        f"kernel/crc32c-{size}",
        f"{size} bytes of noise",
        lambda: crc32c(data),
        "zlib.crc32",
        lambda: zlib.crc32(data),
        rounds=3000,
    )
