"""CRC-32C (Castagnoli, RFC 3720 appendix B.4): polynomial 0x1EDC6F41, bits reversed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78
LANES = 256


def _table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> np.uint32(1)) ^ np.where(table & 1, POLYNOMIAL, 0).astype(np.uint32)
    return table


TABLE = _table()


def crc32c(data: NDArray[np.uint8], value: int) -> int:
    """The checksum of `data` ((n,) uint8) after bytes whose checksum is `value`.

    Equal runs of bytes are summed in parallel, then joined: the state behind a run is the state
    before it, sent through as many zero bytes, xor the run's own.
    """
    state = value ^ 0xFFFFFFFF
    length = len(data) // LANES
    if length:
        states = np.zeros(LANES, np.uint32)
        for column in data[: LANES * length].reshape(LANES, length).T:
            states = TABLE[(states ^ column) & 0xFF] ^ (states >> np.uint32(8))
        shift = _zeros(length)
        for own in states.tolist():
            state = _times(shift, state) ^ own
    for byte in data[LANES * length :].tolist():
        state = int(TABLE[(state ^ byte) & 0xFF]) ^ state >> 8
    return state ^ 0xFFFFFFFF


def _zeros(length: int) -> list[int]:
    """What `length` zero bytes do to a state, as 32 columns over GF(2): column i is bit i's."""
    power = [int(TABLE[bit & 0xFF]) ^ bit >> 8 for bit in (1 << i for i in range(32))]
    result = [1 << i for i in range(32)]
    while length:
        if length & 1:
            result = [_times(power, column) for column in result]
        power = [_times(power, column) for column in power]
        length >>= 1
    return result


def _times(columns: list[int], state: int) -> int:
    product = 0
    for column in columns:
        if state & 1:
            product ^= column
        state >>= 1
    return product
