"""What headers of video files say and FFmpeg's demuxers do not: read from the files themselves."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_NESTED = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
"""Boxes on the way to what a track's samples are (ISO/IEC 14496-12)."""
_SAMPLE_ENTRY = 12
"""Bytes of `stsd` before the type of the first entry: version, count, its size."""
_ENCRYPTED = b"encv"
"""The type of an encrypted video's samples (ISO/IEC 23001-7)."""
_MAX_BOXES = 4096
_LARGE = 1
"""A length that says that it follows in 64 bits."""

_AVI_HEAD = 1 << 16
_RATE_PLACE = 28
"""Bytes from `strh` to its scale and rate."""


class StatedRate(NamedTuple):
    """An AVI's rate as its header has it: `rate / scale` frames a second."""

    rate: int
    scale: int


def is_encrypted(path: Path) -> bool:
    """Whether an MP4 or MOV has video that only a licence's key opens.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        stop = file.seek(0, os.SEEK_END)
        return _ENCRYPTED in _sample_types(file, 0, stop)


def stated_rate(path: Path) -> StatedRate | None:
    """The rate of an AVI's first video; None if it is not found.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_AVI_HEAD)
    at = head.find(b"vids")
    at = head.rfind(b"strh", 0, at) if at >= 0 else -1
    if not 0 <= at <= len(head) - _RATE_PLACE - 8:
        return None
    scale, rate = struct.unpack_from("<II", head, at + _RATE_PLACE)
    return StatedRate(rate, scale)


def _sample_types(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """The types of all tracks' first samples."""
    for _ in range(_MAX_BOXES):
        if start + 8 > stop:
            return
        file.seek(start)
        length, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if length == _LARGE:
            length, head = int.from_bytes(file.read(8), "big"), 16
        end = min(start + length, stop) if length else stop
        if name in _NESTED:
            yield from _sample_types(file, start + head, end)
        elif name == b"stsd" and end - start >= head + _SAMPLE_ENTRY + 4:
            yield file.read(_SAMPLE_ENTRY + 4)[_SAMPLE_ENTRY:]
        if end < start + head:
            return
        start = end
