"""What is measured of a part stands behind its last byte, where FFmpeg skips it."""

from __future__ import annotations

import math
import struct
from dataclasses import astuple

from musetalk_fast.video.mouth_motion import MotionSums

_MAGIC = b"MTFmouth"
_SUMS = struct.Struct("<8s8d")
_MP4_FREE = struct.pack(">I4s", 8 + _SUMS.size, b"free")
_MATROSKA_VOID = bytes((0xEC, 0x80 | _SUMS.size))
TRAILER_BYTES = _SUMS.size
"""The last bytes of a measured part."""


def trailer(sums: MotionSums, muxer: str) -> bytes:
    """What stands behind a part: a box (ISO/IEC 14496-12, 8.1.2) or element (RFC 8794) to skip.

    Args:
        muxer: FFmpeg's name of the part's format.
    """
    head = _MATROSKA_VOID if muxer in ("matroska", "webm") else _MP4_FREE
    return head + _SUMS.pack(_MAGIC, *astuple(sums))


def sums_of_trailer(last: bytes) -> MotionSums | None:
    """The sums in the last `TRAILER_BYTES` bytes of a part; None if it was not measured."""
    if len(last) != _SUMS.size:
        return None
    magic, *values = _SUMS.unpack(last)
    if magic != _MAGIC or not all(map(math.isfinite, values)):
        return None
    return MotionSums(*values)
