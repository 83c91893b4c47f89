"""JSON read as its bytes arrive, in constant memory.

Every method that reads is a generator: it yields when it needs more bytes, and returns what it
read. The caller calls `JsonScanner.add` and resumes it. Grammar: RFC 8259.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import numpy as np
import orjson

from musetalk_fast.errors import MessageSizeError, ProtocolError
from musetalk_fast.kernels.base64 import Base64Error, decode_into, decoded_size
from musetalk_fast.wire.json_object import shown

T = TypeVar("T")
Reading = Generator[None, None, T]

_MAX_TEXT = 1 << 16
"""Most bytes of a string that is kept, as it is in the document."""
_MAX_NAME = 256
_MAX_NUMBER = 64
_MAX_SKIPPED_BYTES = 1 << 20
"""Most bytes of a value that is skipped."""
_MAX_SKIPPED_VALUES = 20_000
"""Most values inside of it: each costs some microseconds."""
_MAX_MEMBERS = 1000
_MAX_DEPTH = 32
_STEP = 4096

_SPACE = re.compile(rb"[ \t\r\n]*")
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]*")
_QUOTE, _COMMA, _COLON = b'",:'
_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY = b"{}[]"


class JsonScanner:
    """The bytes that have come and are not read yet.

    Args:
        what: the document, for messages.
        is_short: the limit of values that are skipped is that of all members together.
    """

    def __init__(self, what: str = "the response", *, is_short: bool = False) -> None:
        self._what = what
        self._is_short = is_short
        self._bytes = bytearray()
        self._at = 0
        self._dropped = 0
        self._skip_limit: int | None = None
        self._values_left = _MAX_SKIPPED_VALUES

    @property
    def offset(self) -> int:
        """Bytes of the document that were read."""
        return self._dropped + self._at

    def add(self, data: bytes | bytearray) -> None:
        """More bytes have come."""
        self._dropped += self._at
        del self._bytes[: self._at]
        self._at = 0
        self._bytes += data

    def only_space_is_left(self) -> bool:
        """Whether nothing but white space was not read."""
        self._pass_space()
        return self._at == len(self._bytes)

    def object(self, read_member: Callable[[str], Reading[None]]) -> Reading[None]:
        """An object; each member is read by `read_member(name)`, which may come only once.

        Raises:
            ProtocolError: not an object, or a member twice.
            MessageSizeError: too many members.
        """
        yield from self._take(_OPEN_OBJECT, "an object")
        names: set[str] = set()
        if (yield from self._found(_CLOSE_OBJECT)):
            return
        while True:
            name = yield from self.text(_MAX_NAME)
            if name in names:
                raise self._wrong(f"the member {shown(name)} stands twice")
            names.add(name)
            if len(names) > _MAX_MEMBERS:
                raise MessageSizeError(f"an object of more than {_MAX_MEMBERS} members")
            yield from self._take(_COLON, "a colon")
            yield from read_member(name)
            if (yield from self._found(_CLOSE_OBJECT)):
                return
            yield from self._take(_COMMA, "a comma")

    def array(self, read_item: Callable[[], Reading[None]]) -> Reading[None]:
        """An array; each item is read by `read_item()`.

        Raises:
            ProtocolError: not an array.
        """
        yield from self._take(_OPEN_ARRAY, "an array")
        if (yield from self._found(_CLOSE_ARRAY)):
            return
        while True:
            yield from read_item()
            if (yield from self._found(_CLOSE_ARRAY)):
                return
            yield from self._take(_COMMA, "a comma")

    def scalar(self) -> Reading[Any]:
        """A string, number, true, false or null; an object or array becomes null.

        Raises:
            ProtocolError: none of these.
            MessageSizeError: longer than any that is asked for.
        """
        byte = yield from self._peek()
        if byte == _QUOTE:
            return (yield from self.text(_MAX_TEXT))
        if byte in (_OPEN_OBJECT, _OPEN_ARRAY):
            yield from self.skip()
            return None
        return (yield from self._number())

    def text(self, longest: int) -> Reading[str]:
        """A string of at most `longest` bytes, as it is in the document.

        Raises:
            ProtocolError: not a string.
            MessageSizeError: it is longer.
        """
        yield from self._take(_QUOTE, "a string")
        while (size := _closing(self._bytes[self._at : self._at + longest + 1])) < 0:
            if len(self._bytes) - self._at > longest:
                raise MessageSizeError(f"a string of more than {longest} bytes")
            yield from self._more()
        literal = b'"%s"' % self._bytes[self._at : self._at + size]
        self._at += size + 1
        return str(self._parsed(literal, "a string"))

    def base64(self, longest: int) -> Reading[memoryview]:
        """A string of at most `longest` bytes, decoded from base64.

        Raises:
            ProtocolError: not a string, or not base64.
            MessageSizeError: it is longer.
        """
        yield from self._take(_QUOTE, "a string of base64")
        seen = 0
        while (quote := self._bytes.find(b'"', self._at + seen)) < 0:
            seen = len(self._bytes) - self._at
            if seen > longest:
                raise MessageSizeError(f"base64 of more than the limit of {longest} bytes")
            yield from self._more()
        if quote - self._at > longest:
            raise MessageSizeError(f"base64 of more than the limit of {longest} bytes")
        start, self._at = self._at, quote + 1
        # No base64 ends with a backslash, escaped or escaping.
        if self._bytes.find(b"\\", start, quote) < 0 or self._bytes[quote - 1] == ord("\\"):
            return self._decoded(memoryview(self._bytes)[start:quote])
        text = self._parsed(b'"%s"' % self._bytes[start:quote], "a string")
        return self._decoded(memoryview(text.encode()))

    def skip(self, depth: int = 0) -> Reading[None]:
        """Any value, passed over.

        Raises:
            ProtocolError: not JSON, or nested too deeply.
            MessageSizeError: it is too long.
        """
        if depth > _MAX_DEPTH:
            raise self._wrong(f"values nested more than {_MAX_DEPTH} deep")
        if depth == 0:
            self._skip_limit = self.offset + _MAX_SKIPPED_BYTES
            if not self._is_short:
                self._values_left = _MAX_SKIPPED_VALUES
        self._values_left -= 1
        if self._values_left < 0:
            raise MessageSizeError(f"unknown members of more than {_MAX_SKIPPED_VALUES} values")
        byte = yield from self._peek()
        if byte == _QUOTE:
            yield from self._skip_string()
        elif byte == _OPEN_OBJECT:
            yield from self.object(lambda _name: self.skip(depth + 1))
        elif byte == _OPEN_ARRAY:
            yield from self.array(lambda: self.skip(depth + 1))
        else:
            yield from self._number()
        if depth == 0:
            self._check_skip_limit()
            self._skip_limit = None

    def _number(self) -> Reading[Any]:
        """A number, true, false or null: whatever has no quotes."""
        while True:
            match = _SCALAR.match(self._bytes, self._at)
            assert match is not None
            if len(match[0]) > _MAX_NUMBER:
                raise MessageSizeError(f"a number of more than {_MAX_NUMBER} digits")
            if match.end() < len(self._bytes):
                break
            yield from self._more()
        if not match[0]:
            raise self._wrong(f"a value was expected, not {chr(self._bytes[self._at])!r}")
        self._at = match.end()
        return self._parsed(match[0], "a value")

    def _skip_string(self) -> Reading[None]:
        self._at += 1
        while True:
            piece = self._bytes[self._at : self._at + _STEP]
            end = _closing(piece)
            if end >= 0:
                self._at += end + 1
                return
            # An escape may be cut: its backslash is looked at again.
            self._at += len(piece) - _open_escape(piece)
            self._check_skip_limit()
            if len(self._bytes) - self._at <= 1:
                yield from self._more()

    def _peek(self) -> Reading[int]:
        """The next byte that is no white space; it is not read."""
        while self.only_space_is_left():
            yield from self._more()
        return self._bytes[self._at]

    def _found(self, byte: int) -> Reading[bool]:
        """Whether this byte comes next; then it is read."""
        found = (yield from self._peek()) == byte
        self._at += found
        return found

    def _take(self, byte: int, wanted: str) -> Reading[None]:
        if not (yield from self._found(byte)):
            raise self._wrong(f"{wanted} was expected, not {chr(self._bytes[self._at])!r}")
        self._check_skip_limit()

    def _more(self) -> Reading[None]:
        self._check_skip_limit()
        yield

    def _pass_space(self) -> None:
        match = _SPACE.match(self._bytes, self._at)
        assert match is not None
        self._at = match.end()

    def _check_skip_limit(self) -> None:
        if self._skip_limit is not None and self.offset > self._skip_limit:
            raise MessageSizeError(f"a member of more than {_MAX_SKIPPED_BYTES} bytes")

    def _parsed(self, text: bytes | bytearray, what: str) -> Any:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            raise self._wrong(f"{what} was expected, not {shown(bytes(text[:60]))}") from None

    def _decoded(self, text: memoryview) -> memoryview:
        try:
            data = np.empty(decoded_size(text), np.uint8)
            decode_into(text, data)
        except Base64Error as error:
            raise self._wrong(str(error)) from None
        return data.data

    def _wrong(self, what: str) -> ProtocolError:
        return ProtocolError(f"at byte {self.offset} of {self._what}: {what}")


def _closing(text: bytearray) -> int:
    """Where the quote that closes a string stands, from its first byte on; -1 if not in `text`."""
    if (quote := text.find(b'"')) < 0 or text.find(b"\\", 0, quote) < 0:
        return quote
    # Of a run of backslashes, pairs are characters from the left on.
    return text.replace(b"\\\\", b"..").replace(b'\\"', b"..").find(b'"')


def _open_escape(text: bytearray) -> int:
    """1 if `text` ends inside an escape that began with its last byte, else 0."""
    return (len(text) - len(text.rstrip(b"\\"))) % 2
