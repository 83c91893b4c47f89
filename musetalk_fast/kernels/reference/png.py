"""PNG's filters undone (PNG specification, third edition, section 9)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unfilter(
    lines: NDArray[np.uint8],
    pixel: int,
    above: NDArray[np.uint8] | None,
    out: NDArray[np.uint8],
) -> int:
    """Undo the filters of `lines` ((rows, 1 + bytes) uint8, the filter's number first).

    Args:
        pixel: bytes of a pixel.
        above: (bytes,) uint8, the row before the first; None for a picture's first.
        out: (rows, bytes) uint8.

    Returns:
        -1, or the number of the first row whose filter is unknown.
    """
    before = np.zeros(lines.shape[1] - 1, np.uint8) if above is None else above
    for number, (line, row) in enumerate(zip(lines, out, strict=True)):
        kind = int(line[0])
        if kind > 4:
            return number
        row[:] = line[1:]
        if kind == 1:
            row[:] = np.cumsum(row.reshape(-1, pixel), axis=0, dtype=np.uint8).reshape(-1)
        elif kind == 2:
            np.add(row, before, out=row)
        elif kind > 2:
            row[:] = np.frombuffer(_sequential(kind, row, before, pixel), np.uint8)
        before = row
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
