"""The NDJSON wire: one JSON object per line, data as base64.

The first member of a line is `type`, the last `crc32c`: CRC-32C over the bytes of the line before
`,"crc32c"`. `data`, where there is one, stands directly before it. A frame's payload is located in
place: it is neither copied nor given to a JSON parser.
"""

from __future__ import annotations

import binascii
import re

import orjson

from musetalk_fast.errors import ChecksumError, MessageSizeError, ProtocolError
from musetalk_fast.kernels.base64 import Base64Error, decode_into, decoded_size
from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.kernels.lines import Line, frame_line
from musetalk_fast.kernels.png import encode_png
from musetalk_fast.types import CROP_SIZE, CropEncoding, Rows
from musetalk_fast.wire.buffer_pool import BufferPool
from musetalk_fast.wire.json_object import JsonObject, parse_object
from musetalk_fast.wire.message_json import (
    FRAME_NAME,
    KIND_NAMED,
    KIND_OF,
    build_message,
    crop_encoding,
)
from musetalk_fast.wire.messages import FaceMessage, Frame, Message
from musetalk_fast.wire.stream_checks import MAX_MESSAGE_BYTES, StreamChecker

_TAIL = b',"crc32c":"%08x"}\n'
_TAIL_SIZE = len(_TAIL % 0)
_TAIL_FORM = re.compile(rb',"crc32c":"([0-9a-f]{8})"}\n')
_DATA = b',"data":"'
_MAX_HEAD = 2048
"""Most bytes of a line before its `data`."""
_CROPS = tuple(CropEncoding)
_END = 8
"""Place of a line's end in what `frame_line` gives."""
_MAX_JSON = (1 << 16) - 1


def encode(message: Message) -> bytes:
    """A message as a line.

    Raises:
        MessageSizeError: it is longer than a message may be.
    """
    if isinstance(message, Frame):
        name, members = (
            FRAME_NAME,
            {
                "index": message.index,
                "source": message.source,
                "encoding": message.encoding.value,
                "rows": (message.rows.first, message.rows.count),
                "width": message.width,
            },
        )
        data: bytes | memoryview | None = message.data
    else:
        kind = KIND_OF[type(message)]
        name, members = kind.name, kind.members(message)
        mask = message.mask if isinstance(message, FaceMessage) else None
        data = None if mask is None else encode_png(mask)
    head = orjson.dumps({"type": name, **members})[:-1]
    return _line(head, data, is_text=isinstance(message, Frame) and message.base64)


def checksum_of(encoded: bytes) -> int:
    """The checksum that an encoded message carries."""
    return int(encoded[-11:-3], 16)


def _line(head: bytes, data: bytes | memoryview | None, *, is_text: bool) -> bytes:
    if data is None:
        body = head
    else:
        text = data if is_text else binascii.b2a_base64(data, newline=False)
        body = b"".join((head, _DATA, text, b'"'))
    if len(body) + _TAIL_SIZE > MAX_MESSAGE_BYTES:
        raise MessageSizeError(f"a line of {len(body)} bytes; the limit is {MAX_MESSAGE_BYTES}")
    return b"".join((body, _TAIL % crc32c(body)))


class Decoder:
    """Bytes in pieces of any size become messages.

    A line that is complete in one piece is not copied: a frame's `data` is a view of the piece,
    still base64. Only a line across pieces is put together, once.

    Args:
        limit: most bytes of a line, its end included.
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
        """A line across pieces, of which so many bytes are there."""
        self._filled = 0
        self._longest = 0
        """Bytes of the longest line so far."""

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes of the stream; return the messages that they complete.

        Raises:
            ProtocolError: the leaf that says what is wrong with them.
        """
        messages: list[Message] = []
        start, view = 0, memoryview(data)
        while start < len(data):
            if self._filled:
                start += self._fill(data, start, messages)
                continue
            self._checker.begin()
            frame = frame_line(data, start, CROP_SIZE)
            if frame is not None and frame[_END] - start <= self._limit:
                self._take_frame(view, frame, messages)
                start = frame[_END]
            else:
                start += self._fill(data, start, messages)
        return messages

    def close(self) -> None:
        """The stream has no more bytes.

        Raises:
            StreamCutError: it was not at its end.
        """
        self._checker.close(self._filled)

    def _fill(self, data: bytes, start: int, messages: list[Message]) -> int:
        """Take what `data` has of the line that goes on at `start`; return how much that is."""
        end = data.find(b"\n", start) + 1
        piece = memoryview(data)[start : end or len(data)]
        filled = self._filled + len(piece)
        if filled > self._limit:
            raise MessageSizeError(f"a line longer than the limit of {self._limit} bytes")
        if not end or self._filled:
            self._append(piece, filled)
        if end:
            line = memoryview(self._part)[:filled] if self._filled else piece
            self._part, self._filled = bytearray(), 0
            self._longest = max(self._longest, filled)
            self._finish(line.toreadonly(), messages)
        return len(piece)

    def _append(self, piece: memoryview, filled: int) -> None:
        if filled > len(self._part):
            size = self._longest if filled <= self._longest else 2 * filled
            buffer = self._buffers.take(min(size, self._limit))
            memoryview(buffer)[: self._filled] = memoryview(self._part)[: self._filled]
            self._part = buffer
        # Through a view: a bytearray's own slice assignment copies what it is given once more.
        memoryview(self._part)[self._filled : filled] = piece
        self._filled = filled

    def _finish(self, line: memoryview, messages: list[Message]) -> None:
        frame = frame_line(line, 0, CROP_SIZE)
        if frame is not None:
            self._take_frame(line, frame, messages)
            return
        checksum = _checked(line)
        message = _message(line[:-_TAIL_SIZE], self._picture)
        self._checker.accept(message, checksum)
        if message is not None:
            messages.append(message)

    def _take_frame(self, text: memoryview, line: Line, messages: list[Message]) -> None:
        index, source, encoding, first, rows, width, start, stop, _, checksum = line
        frame = Frame(
            index=index,
            source=source,
            encoding=_CROPS[encoding],
            data=text[start:stop],
            rows=Rows(first, rows),
            width=width,
            base64=True,
        )
        self._checker.accept(frame, checksum)
        messages.append(frame)


def _checked(line: memoryview) -> int:
    """The line's checksum, which is right."""
    tail = _TAIL_FORM.fullmatch(line[-_TAIL_SIZE:])
    if tail is None:
        raise ProtocolError("a line does not end with its checksum")
    checksum = int(tail[1], 16)
    if crc32c(line[:-_TAIL_SIZE]) != checksum:
        raise ChecksumError("the checksum of a line is wrong")
    return checksum


def _message(body: memoryview, picture: tuple[int, int] | None) -> Message | None:
    """The message of a line without its tail, or None where it is unknown and may be skipped."""
    place = bytes(body[:_MAX_HEAD]).find(_DATA)
    head = body if place < 0 else body[:place]
    if len(head) > _MAX_JSON:
        raise MessageSizeError(f"{len(head)} bytes of JSON; the limit is {_MAX_JSON}")
    members = parse_object(bytes(head) + b"}", "a message")
    name = members.text("type")
    kind = KIND_NAMED.get(name)
    if kind is None and name != FRAME_NAME:
        if members.flag("optional", default=False):
            return None
        raise ProtocolError(f"a message of unknown type {name!r}")
    data = memoryview(b"") if place < 0 else body[place + len(_DATA) : -1]
    if place >= 0 and body[-1] != ord('"'):
        raise ProtocolError(f"the data of a {name} is not before its checksum")
    if kind is None:
        return _frame(members, data)
    return build_message(kind, members, _decoded(data), picture)


def _frame(members: JsonObject, data: memoryview) -> Frame:
    return Frame(
        index=members.integer("index"),
        source=members.integer("source"),
        encoding=crop_encoding(members.text("encoding")),
        data=data,
        rows=Rows(*members.integers("rows", 2, 0, CROP_SIZE)),
        width=members.integer("width", 1, CROP_SIZE),
        base64=True,
    )


def _decoded(text: memoryview) -> memoryview:
    try:
        data = bytearray(decoded_size(text))
        decode_into(text, data)
    except Base64Error as error:
        raise ProtocolError(f"the data of a message: {error}") from None
    return memoryview(data)
