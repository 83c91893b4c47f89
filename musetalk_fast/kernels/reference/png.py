"""PNG's filters undone (PNG specification, third edition, section 9)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unfilter(lines: NDArray[np.uint8], pixel: int) -> int:
    """Undo the filters of `lines` ((rows, 1 + bytes) uint8, the filter's number first) in place.

    Args:
        pixel: bytes of a pixel.

    Returns:
        -1, or the number of the first row whose filter is unknown.
    """
    above = np.zeros(lines.shape[1] - 1, np.uint8)
    for number, line in enumerate(lines):
        kind, row = int(line[0]), line[1:]
        if kind > 4:
            return number
        if kind == 1:
            columns = row.reshape(-1, pixel)
            columns[...] = np.cumsum(columns, axis=0, dtype=np.uint8)
        elif kind == 2:
            row += above
        elif kind > 2:
            row[:] = np.frombuffer(_sequential(kind, row, above, pixel), np.uint8)
        above = row
    return -1


def _sequential(
    kind: int, row: NDArray[np.uint8], above: NDArray[np.uint8], pixel: int
) -> bytearray:
    done = bytearray(pixel)
    over = bytes(pixel) + above.tobytes()
    for place, byte in enumerate(row.tobytes()):
        left, up, corner = done[place], over[place + pixel], over[place]
        guess = (left + up) >> 1 if kind == 3 else _paeth(left, up, corner)
        done.append((byte + guess) & 0xFF)
    return done[pixel:]


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    by_left, by_up, by_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
    if by_left <= by_up and by_left <= by_corner:
        return left
    return up if by_up <= by_corner else corner
