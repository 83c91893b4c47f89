"""Facts from the headers of video files that FFmpeg's demuxers do not report."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from musetalk_fast.media.input_file import open_input, read_errors

_WAY = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
"""Boxes, each in the one before, on the way to what a track's samples are (ISO/IEC 14496-12)."""
_SAMPLE_ENTRY = 12
"""Bytes of `stsd` before the type of the first entry: version, count, its size."""
_ENCRYPTED = b"encv"
"""The type of an encrypted video's samples (ISO/IEC 23001-7)."""
_MAX_BOXES = 4096
"""Of a file, that are looked at."""
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
        errors.InputNotFoundError, errors.InputUnreadableError: it cannot be read.
    """
    with open_input(path) as file, read_errors(path):
        stop = file.seek(0, os.SEEK_END)
        return _ENCRYPTED in _sample_types(file, 0, stop, iter(range(_MAX_BOXES)), _WAY)


def stated_rate(path: Path) -> StatedRate | None:
    """The rate of an AVI's first video; None if it is not found.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: it cannot be read.
    """
    with open_input(path) as file, read_errors(path):
        head = file.read(_AVI_HEAD)
    at = head.find(b"vids")
    at = head.rfind(b"strh", 0, at) if at >= 0 else -1
    if not 0 <= at <= len(head) - _RATE_PLACE - 8:
        return None
    scale, rate = struct.unpack_from("<II", head, at + _RATE_PLACE)
    return StatedRate(rate, scale)


def _sample_types(
    file: BinaryIO, start: int, stop: int, budget: Iterator[int], way: tuple[bytes, ...]
) -> Iterator[bytes]:
    """The types of all tracks' first samples.

    Args:
        budget: as many items as boxes may still be looked at.
        way: what is left of `_WAY`; boxes elsewhere are passed over, however deep they are.
    """
    wanted, *rest = way
    for name, first, end in _boxes(file, start, stop, budget):
        if name != wanted:
            continue
        if rest:
            yield from _sample_types(file, first, end, budget, tuple(rest))
        elif end - first >= _SAMPLE_ENTRY + 4:
            file.seek(first + _SAMPLE_ENTRY)
            yield file.read(4)


def _boxes(
    file: BinaryIO, start: int, stop: int, budget: Iterator[int]
) -> Iterator[tuple[bytes, int, int]]:
    """Boxes that follow one another: name, where the content begins, and where it ends."""
    for _ in budget:
        if start + 8 > stop:
            return
        file.seek(start)
        length, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if length == _LARGE:
            length, head = int.from_bytes(file.read(8), "big"), 16
        end = min(start + length, stop) if length else stop
        if end < start + head:
            return
        yield name, start + head, end
        start = end
