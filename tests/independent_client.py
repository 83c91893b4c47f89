"""A reader of both wires, written from docs/protocol.md alone: it knows nothing of the package."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any


def _entry(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


TABLE = [_entry(value) for value in range(256)]
TYPES = {1: "start", 2: "face", 3: "frame", 4: "progress", 5: "heartbeat", 6: "end", 7: "error"}
CROPS = {1: "raw", 2: "jpeg", 3: "png"}


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 255]
    return value ^ 0xFFFFFFFF


def read_lines(data: bytes) -> Iterator[tuple[dict[str, Any], int]]:
    """NDJSON as messages (empty if unknown) and their checksums."""
    assert data.endswith(b"\n")
    for line in data.splitlines():
        body, tail = line[:-21], line[-21:]
        message = json.loads(line)
        assert tail == b',"crc32c":"%s"}' % message.pop("crc32c").encode()
        if "data" in message:
            message["data"] = base64.b64decode(message["data"], validate=True)
        checksum = int(tail[11:19], 16)
        assert checksum == crc32c(body)
        is_known = message["type"] in TYPES.values()
        assert is_known or message["optional"] is True
        yield (message if is_known else {}), checksum


def read_headers(data: bytes) -> Iterator[tuple[dict[str, Any], int]]:
    """The binary wire, likewise."""
    while data:
        magic, kind, flags, encoding = struct.unpack_from("<4sBBB", data)
        frame, source, row, rows, width, text, length, checksum = struct.unpack_from(
            "<IIHHHHII", data, 8
        )
        assert magic == b"MTF1"
        payload, head, data = data[32 : 32 + length], data[:28], data[32 + length :]
        assert checksum == crc32c(head + payload)
        message = {"type": TYPES.get(kind), **json.loads(payload[:text] or b"{}")}
        if kind == 3:
            message |= {"index": frame, "source": source, "rows": [row, rows], "width": width}
            message["encoding"] = CROPS[encoding]
        if encoding:
            message["data"] = payload[text:]
        assert kind in TYPES or flags & 1
        yield (message if kind in TYPES else {}), checksum


def read_stream(media_type: str, data: bytes) -> list[dict[str, Any]]:
    """The known messages of a complete stream, data as bytes."""
    is_lines = media_type == "application/x-ndjson"
    messages, checksums = [], b""
    for message, checksum in (read_lines if is_lines else read_headers)(data):
        if message.get("type") == "end":
            assert message["digest"] == f"{crc32c(checksums):08x}"
        checksums += struct.pack("<I", checksum)
        messages.append(message)
    assert messages[-1]["type"] in ("end", "error")
    return [message for message in messages if message]
