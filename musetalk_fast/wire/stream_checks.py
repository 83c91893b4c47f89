"""Checks that both wires apply to a stream: the chain of checksums, and its end."""

from __future__ import annotations

import struct

from musetalk_fast.errors import ChecksumError, ProtocolError, StreamCutError
from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.wire.messages import End, ErrorMessage, Message

MAX_MESSAGE_BYTES = 16 << 20
"""Most bytes of one message unless a decoder is given another limit; the largest are masks."""

_CHECKSUM = struct.Struct("<I")


class ChecksumChain:
    """CRC-32C over the little-endian checksums of a stream's messages, in order."""

    def __init__(self) -> None:
        self._value = 0

    def add(self, checksum: int) -> None:
        """Append a message's checksum."""
        self._value = crc32c(_CHECKSUM.pack(checksum), self._value)

    @property
    def digest(self) -> str:
        """8 hexadecimal digits over what was added so far."""
        return f"{self._value:08x}"


class StreamChecker:
    """Follows a stream message by message."""

    def __init__(self) -> None:
        self._chain = ChecksumChain()
        self._ended = False

    def begin(self) -> None:
        """Another message begins.

        Raises:
            ProtocolError: the stream had ended.
        """
        if self._ended:
            raise ProtocolError("bytes after the end of the stream")

    def accept(self, message: Message | None, checksum: int) -> None:
        """A message is complete; None for one that was skipped.

        Raises:
            ChecksumError: it is an `end` whose digest is not that of what came before it.
        """
        if isinstance(message, End) and message.digest != self._chain.digest:
            raise ChecksumError(
                f"the stream's digest is {self._chain.digest}, its end says {message.digest}"
            )
        self._ended = isinstance(message, End | ErrorMessage)
        self._chain.add(checksum)

    def close(self, unfinished: int) -> None:
        """No more bytes come.

        Args:
            unfinished: bytes of an incomplete message.

        Raises:
            StreamCutError: there was no `end` and no `error`.
        """
        if unfinished:
            raise StreamCutError(f"the stream was cut {unfinished} bytes into a message")
        if not self._ended:
            raise StreamCutError("the stream was cut before its end")
