"""A frame's message of the binary wire becomes the pixels of its crop, its checksum checked."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from musetalk_fast.types import CROP_SIZE, Crop, CropEncoding, Rows
from musetalk_fast.wire import binary
from musetalk_fast.wire.crop_codec import CropReader
from musetalk_fast.wire.messages import Frame

ROWS = Rows(100, 148)
HEADER = struct.Struct("<4sBBBxIIHHHHII")


class _Ours:
    def __init__(self, message: bytes) -> None:
        self._message = message
        self._decoder = binary.Decoder()
        self._reader = CropReader()

    def __call__(self) -> Crop:
        (frame,) = self._decoder.feed(self._message)
        assert isinstance(frame, Frame)
        return np.asarray(self._reader.read(frame)).reshape(-1, CROP_SIZE, 3)


def _struct_and_zlib(message: bytes, checksum: int) -> Crop:
    """A checksum of another polynomial, but what Python has at hand."""
    header = HEADER.unpack_from(message)
    assert zlib.crc32(memoryview(message)[HEADER.size :]) == checksum
    return np.frombuffer(message, np.uint8, offset=HEADER.size).reshape(header[7], header[8], 3)


def test_against_struct_and_zlib(compare: Any) -> None:
    crop = np.random.default_rng(1).integers(0, 256, (ROWS.count, CROP_SIZE, 3), dtype=np.uint8)
    data = crop.tobytes()
    message = binary.encode(
        Frame(index=7, source=0, encoding=CropEncoding.RAW, data=data, rows=ROWS)
    )
    ours, checksum = _Ours(message), zlib.crc32(data)
    np.testing.assert_array_equal(ours(), _struct_and_zlib(message, checksum))
    compare(
        "kernel/binary-frame",
        f"{ROWS.count} rows of a raw crop of noise, {len(message)} bytes in one piece",
        ours,
        "struct.unpack_from, zlib.crc32",
        lambda: _struct_and_zlib(message, checksum),
        rounds=3000,
    )
