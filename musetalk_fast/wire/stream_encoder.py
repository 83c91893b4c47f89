"""Encodes a whole stream for one wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from musetalk_fast.wire import binary, ndjson
from musetalk_fast.wire.messages import BINARY, End, Message
from musetalk_fast.wire.stream_checks import ChecksumChain


class StreamEncoder:
    """Encodes the messages of one stream and keeps the chain of their checksums for its end.

    Args:
        media_type: `messages.BINARY` or `messages.NDJSON`.
    """

    def __init__(self, media_type: str) -> None:
        self.media_type = media_type
        wire = binary if media_type == BINARY else ndjson
        self._encode: Callable[[Message], bytes] = wire.encode
        self._checksum_of: Callable[[bytes], int] = wire.checksum_of
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
