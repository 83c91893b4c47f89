"""Base64 (RFC 4648 section 4) decoded strictly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
INVALID = 0xFF

VALUES: NDArray[np.uint8] = np.full(256, INVALID, np.uint8)
VALUES[np.frombuffer(ALPHABET, np.uint8)] = np.arange(64, dtype=np.uint8)


def decode(text: NDArray[np.uint8], padding: int, out: NDArray[np.uint8]) -> int:
    """Decode `text` ((n,) uint8, n a multiple of 4, `padding` of it `=`) into `out` ((m,) uint8).

    Returns:
        -1, or the offset of the first character that is not of the alphabet or, at the end,
        carries bits that no byte takes (section 3.5 allows to refuse those).
    """
    body = len(text) - padding
    values = VALUES[text]
    wrong = np.flatnonzero(values[:body] == INVALID)
    if wrong.size:
        return int(wrong[0])
    if padding and values[body - 1] & (0x0F if padding == 2 else 0x03):
        return body - 1
    values[body:] = 0
    a, b, c, d = values.reshape(-1, 4).T
    packed = np.stack([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d], axis=1).reshape(-1)
    out[:] = packed[: len(packed) - padding]
    return -1
