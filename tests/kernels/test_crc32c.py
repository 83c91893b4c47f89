from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_frames import Guarded, random_bytes

from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.kernels.reference import crc32c as reference

# RFC 3720, appendix B.4.
VECTORS = [
    (b"", 0),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
]

LONG = (11_903, 11_904, 11_905, 12_287, 12_288, 12_289, 24_191, 24_192, 24_200)
"""Around the blocks that are folded (11,904 bytes) and the runs that go side by side (12,288)."""


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize(("data", "expected"), VECTORS)
def test_known_checksums(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected
    assert reference.crc32c(np.frombuffer(data, np.uint8), 0) == expected


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("size", [*range(20), 255, 256, 767, 768, 769, *LONG, 13_057, 113_664])
def test_equals_the_reference_at_any_offset(size: int) -> None:
    data = random_bytes(size + 8, size)
    for offset in range(8):
        part = data[offset : offset + size]
        assert crc32c(part, 0x12345678) == reference.crc32c(part, 0x12345678)


@given(st.binary(max_size=2000), st.integers(0, 2000))
def test_chains(data: bytes, cut: int) -> None:
    assert crc32c(data[cut:], crc32c(data[:cut])) == crc32c(data)


@pytest.mark.usefixtures("instruction_set")
def test_reads_nothing_outside() -> None:
    memory = Guarded(max(LONG))
    for size in [*range(1, 40), 768, 1000, *LONG]:
        data = random_bytes(size, size)
        expected = reference.crc32c(data, 0)
        assert crc32c(memory.at_end(data)) == crc32c(memory.at_start(data)) == expected


def test_refuses_what_is_not_contiguous() -> None:
    with pytest.raises(ValueError, match="not C-contiguous"):
        crc32c(memoryview(bytes(8))[::2])
