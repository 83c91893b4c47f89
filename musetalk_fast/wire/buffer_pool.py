"""Buffers for messages that come in pieces, reused once no view of them is alive."""

from __future__ import annotations

from collections import deque

_MAX_COUNT = 64
"""Buffers that are kept: more than there are crops between socket and encoder."""
_GRANULARITY = 1 << 12
"""Bytes to which sizes are rounded up: the lines of frames 9 and 10 differ by one."""
_MAX_VALUE = 1 << 19
"""Bytes of the largest that is kept; frames are smaller, masks may be larger."""


class BufferPool:
    """Buffers of one stream. Frames are released in the order in which they came."""

    def __init__(self) -> None:
        self._buffers: deque[bytearray] = deque()

    def take(self, size: int) -> bytearray:
        """At least `size` bytes of any content, of which no `memoryview` is alive."""
        while self._buffers and not _has_views(self._buffers[0]):
            buffer = self._buffers.popleft()
            if len(buffer) >= size:
                self._buffers.append(buffer)
                return buffer
        buffer = bytearray(-(-size // _GRANULARITY) * _GRANULARITY + 1)
        del buffer[-1]  # the byte stays allocated, for `_has_views`
        if _GRANULARITY < size <= _MAX_VALUE and len(self._buffers) < _MAX_COUNT:
            self._buffers.append(buffer)
        return buffer


def _has_views(buffer: bytearray) -> bool:
    """Whether a view is alive: such a bytearray refuses to change its length."""
    try:
        buffer.append(0)
    except BufferError:
        return True
    del buffer[-1]
    return False
