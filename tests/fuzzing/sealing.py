"""The checksums of damaged streams made right again."""

from __future__ import annotations

import struct

from musetalk_fast.kernels.crc32c import crc32c

_HEADER = 32
_CHECKED = 28
"""Bytes of a binary header before its checksum."""
_TAIL = 21
"""Bytes of `,"crc32c":"01234567"}`."""


def seal_binary(data: bytes) -> bytes:
    """Every complete message of the binary wire with the checksum of its bytes."""
    sealed, start = bytearray(data), 0
    while start + _HEADER <= len(data):
        (length,) = struct.unpack_from("<I", data, start + 24)
        if start + _HEADER + length > len(data):
            break
        payload = data[start + _HEADER : start + _HEADER + length]
        checksum = crc32c(payload, crc32c(data[start : start + _CHECKED]))
        struct.pack_into("<I", sealed, start + _CHECKED, checksum)
        start += _HEADER + length
    return bytes(sealed)


def seal_lines(data: bytes) -> bytes:
    """Every complete line of the NDJSON wire with the checksum of its bytes."""
    *lines, remainder = data.split(b"\n")
    return b"".join(map(_sealed, lines)) + remainder


def _sealed(line: bytes) -> bytes:
    if len(line) < _TAIL:
        return line + b"\n"
    body = line[:-_TAIL]
    return body + b',"crc32c":"%08x"}\n' % crc32c(body)
