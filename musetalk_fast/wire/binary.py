"""The binary wire: 32-byte little-endian headers, then JSON, then raw data."""

from __future__ import annotations

import struct
from typing import NamedTuple

import orjson

from musetalk_fast.errors import ChecksumError, FrameShapeError, MessageSizeError, ProtocolError
from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.kernels.png import encode_png
from musetalk_fast.types import CropEncoding, Rows
from musetalk_fast.wire.buffer_pool import BufferPool
from musetalk_fast.wire.json_object import parse_object
from musetalk_fast.wire.message_json import FRAME_NUMBER, KIND_NUMBERED, KIND_OF, build_message
from musetalk_fast.wire.messages import FaceMessage, Frame, Message
from musetalk_fast.wire.stream_checks import MAX_MESSAGE_BYTES, StreamChecker

MAGIC = b"MTF1"
OPTIONAL = 1
"""Flag: a reader that does not know the type skips the message."""

_HEADER = struct.Struct("<4sBBBxIIHHHHII")
_CHECKED = _HEADER.size - 4
"""Bytes of the header before its checksum."""
_CHECKSUM = struct.Struct("<I")
_MAX_JSON = (1 << 16) - 1

_CROPS = dict(enumerate(CropEncoding, 1))
_ENCODINGS = {encoding: number for number, encoding in _CROPS.items()}


class _Header(NamedTuple):
    magic: bytes
    type: int
    flags: int
    encoding: int
    frame: int
    source: int
    first_row: int
    rows: int
    width: int
    json_length: int
    payload_length: int
    checksum: int

    @property
    def size(self) -> int:
        """Bytes of the complete message."""
        return _HEADER.size + self.payload_length


def encode(message: Message) -> bytes:
    """A message as bytes.

    Raises:
        MessageSizeError: it is longer than a message may be.
    """
    if isinstance(message, Frame):
        shape = (message.index, message.source, message.rows.first, message.rows.count)
        return _pack(FRAME_NUMBER, _ENCODINGS[message.encoding], (*shape, message.width), b"",
                     message.data)  # fmt: skip
    kind = KIND_OF[type(message)]
    text = orjson.dumps(kind.members(message))
    mask = message.mask if isinstance(message, FaceMessage) else None
    encoding = 0 if mask is None else _ENCODINGS[CropEncoding.PNG]
    data = b"" if mask is None else encode_png(mask)
    return _pack(kind.number, encoding, (0, 0, 0, 0, 0), text, data)


def checksum_of(encoded: bytes) -> int:
    """The checksum that an encoded message carries."""
    value: int = _CHECKSUM.unpack_from(encoded, _CHECKED)[0]
    return value


def _pack(
    number: int,
    encoding: int,
    shape: tuple[int, int, int, int, int],
    text: bytes,
    data: bytes | memoryview,
) -> bytes:
    length = len(text) + len(data)
    if length > MAX_MESSAGE_BYTES or len(text) > _MAX_JSON:
        raise MessageSizeError(f"a message of {length} bytes; the limit is {MAX_MESSAGE_BYTES}")
    header = _HEADER.pack(MAGIC, number, 0, encoding, *shape, len(text), length, 0)
    checksum = crc32c(data, crc32c(text, crc32c(header[:_CHECKED])))
    return b"".join((header[:_CHECKED], _CHECKSUM.pack(checksum), text, data))


class Decoder:
    """Bytes in pieces of any size become messages.

    A message that is complete in one piece is not copied: a frame's `data` is a view of the
    piece. Only a message across pieces is put together, once.

    Args:
        limit: most bytes of one message's payload; checked before anything is allocated.
        picture: (width, height) in pixels that masks must lie in, checked before they are inflated;
            None: any.
    """

    def __init__(
        self, limit: int = MAX_MESSAGE_BYTES, picture: tuple[int, int] | None = None
    ) -> None:
        self._limit = limit
        self._picture = picture
        self._checker = StreamChecker()
        self._buffers = BufferPool()
        self._part = bytearray()
        """A message across pieces, of which so many bytes are there."""
        self._filled = 0
        self._header: _Header | None = None
        """Of the message that is on, once all of it is there."""

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes of the stream; return the messages that they complete.

        Raises:
            ProtocolError: the leaf that says what is wrong with them.
        """
        messages: list[Message] = []
        view = memoryview(data)
        while view:
            view = self._step(view, messages)
        return messages

    def close(self) -> None:
        """The stream has no more bytes.

        Raises:
            StreamCutError: it was not at its end.
        """
        self._checker.close(self._filled)

    def _step(self, view: memoryview, messages: list[Message]) -> memoryview:
        """Take one message, or what there is of it; return the remaining bytes."""
        if not self._filled:
            self._checker.begin()
            self._header = self._checked(view) if len(view) >= _HEADER.size else None
            if self._header is not None and (size := self._header.size) <= len(view):
                self._finish(self._header, view[:size], messages)
                return view[size:]
        return self._fill(view, messages)

    def _fill(self, view: memoryview, messages: list[Message]) -> memoryview:
        due = _HEADER.size if self._header is None else self._header.size
        if due > len(self._part):
            buffer = self._buffers.take(due)
            memoryview(buffer)[: self._filled] = memoryview(self._part)[: self._filled]
            self._part = buffer
        taken = min(due - self._filled, len(view))
        # Through a view: a bytearray's own slice assignment copies what it is given once more.
        memoryview(self._part)[self._filled : self._filled + taken] = view[:taken]
        self._filled += taken
        if self._header is None and self._filled == due:
            self._header = self._checked(self._part)
        if self._header is not None and self._filled == self._header.size:
            encoded = memoryview(self._part)[: self._filled]
            self._part, self._filled = bytearray(), 0
            self._finish(self._header, encoded, messages)
        return view[taken:]

    def _checked(self, message: bytearray | memoryview) -> _Header:
        """The header of a message from its first 32 bytes, its lengths bounded."""
        header = _Header._make(_HEADER.unpack_from(message))
        if header.magic != MAGIC:
            raise ProtocolError(f"a message begins with {header.magic!r}, not {MAGIC!r}")
        if header.payload_length > self._limit:
            raise MessageSizeError(
                f"a message of {header.payload_length} bytes; the limit is {self._limit}"
            )
        if header.json_length > header.payload_length:
            raise ProtocolError(
                f"{header.json_length} bytes of JSON in a payload of {header.payload_length}"
            )
        return header

    def _finish(self, header: _Header, encoded: memoryview, messages: list[Message]) -> None:
        payload = encoded[_HEADER.size :].toreadonly()
        if crc32c(payload, crc32c(encoded[:_CHECKED])) != header.checksum:
            raise ChecksumError(f"the checksum of a message of type {header.type} is wrong")
        message = _message(header, payload, self._picture)
        self._checker.accept(message, header.checksum)
        if message is not None:
            messages.append(message)


def _message(
    header: _Header, payload: memoryview, picture: tuple[int, int] | None
) -> Message | None:
    """The message, or None where it is unknown and may be skipped."""
    data = payload[header.json_length :] if header.json_length else payload
    if header.type == FRAME_NUMBER:
        return _frame(header, data)
    kind = KIND_NUMBERED.get(header.type)
    if kind is None:
        if header.flags & OPTIONAL:
            return None
        raise ProtocolError(f"a message of unknown type {header.type}")
    text = payload[: header.json_length]
    # No JSON is an empty object: a heartbeat may be all header.
    return build_message(kind, parse_object(text or b"{}", kind.name), data, picture)


def _frame(header: _Header, data: memoryview) -> Frame:
    encoding = _CROPS.get(header.encoding)
    if encoding is None:
        raise FrameShapeError(f"frame {header.frame} has the unknown encoding {header.encoding}")
    return Frame(
        index=header.frame,
        source=header.source,
        encoding=encoding,
        data=data,
        rows=Rows(header.first_row, header.rows),
        width=header.width,
    )
