"""CRC-32C, the checksum of the wire."""

from __future__ import annotations

from musetalk_fast.kernels import native
from musetalk_fast.kernels.buffers import Bytes, readable
from musetalk_fast.kernels.reference import crc32c as reference

_native = native.load("crc32c")


def crc32c(data: Bytes, value: int = 0) -> int:
    """CRC-32C (Castagnoli, RFC 3720) of contiguous bytes.

    Args:
        data: any contiguous bytes.
        value: the checksum of what came before, so that
            `crc32c(b, crc32c(a)) == crc32c(a + b)`.

    Returns:
        0..2**32 - 1; `crc32c(b"123456789") == 0xE3069283`.

    Raises:
        ValueError: `data` is not C-contiguous.
    """
    if _native is None:
        return reference.crc32c(readable("data", data), value)
    try:
        checksum: int = _native.crc32c(data, value)
    except BufferError:
        readable("data", data)
        raise
    return checksum
