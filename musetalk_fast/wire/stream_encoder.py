"""Encodes one stream for one wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from musetalk_fast.wire.media_types import StreamWire
from musetalk_fast.wire.messages import End, Message
from musetalk_fast.wire.stream_checks import ChecksumChain


class StreamEncoder:
    """Encodes the messages of one stream and keeps the chain of their checksums for its end.

    Args:
        wire: one of `media_types.STREAM_WIRES`.
    """

    def __init__(self, wire: StreamWire) -> None:
        self.media_type = wire.media_type
        codec = wire.codec()
        self._encode: Callable[[Message], bytes] = codec.encode
        self._checksum_of: Callable[[bytes], int] = codec.checksum_of
        self._chain = ChecksumChain()

    def encode(self, message: Message) -> bytes:
        """The next message as bytes.

        Raises:
            MessageSizeError: it is longer than a message may be.
        """
        encoded = self._encode(message)
        self._chain.add(self._checksum_of(encoded))
        return encoded

    def end(self, count: int, details: Mapping[str, Any] | None = None) -> bytes:
        """The `end` of the stream as bytes."""
        return self.encode(End(count=count, digest=self._chain.digest, details=details or {}))
