from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.kernels.reference import crc32c as reference


def test_against_zlibs_crc32(race: Any) -> None:
    """A checksum of another polynomial, but what Python has at hand; equality: the reference."""
    data = np.random.default_rng(1).integers(0, 256, 113_664, dtype=np.uint8)
    assert crc32c(data) == reference.crc32c(data, 0)
    race.run("kernel/crc32c-113664", lambda: crc32c(data), "zlib.crc32", lambda: zlib.crc32(data))
