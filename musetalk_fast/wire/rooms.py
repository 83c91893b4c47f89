"""Room for messages that come in pieces, used again when nobody looks at it any more."""

from __future__ import annotations

from collections import deque

_MOST = 64
"""Rooms that are kept: more than there are crops between socket and encoder."""
_GRAIN = 1 << 12
"""Bytes to which sizes are rounded up: the lines of frames 9 and 10 differ by one."""
_LARGEST = 1 << 19
"""Bytes of the largest that is kept; frames are smaller, masks may be larger."""


class Rooms:
    """Buffers of one stream. Frames are done with in the order in which they came."""

    def __init__(self) -> None:
        self._rooms: deque[bytearray] = deque()

    def take(self, size: int) -> bytearray:
        """At least `size` bytes of any content, of which no `memoryview` is alive."""
        while self._rooms and not _is_seen(self._rooms[0]):
            room = self._rooms.popleft()
            if len(room) >= size:
                self._rooms.append(room)
                return room
        room = bytearray(-(-size // _GRAIN) * _GRAIN + 1)
        del room[-1]  # the byte stays allocated, for `_is_seen`
        if _GRAIN < size <= _LARGEST and len(self._rooms) < _MOST:
            self._rooms.append(room)
        return room


def _is_seen(room: bytearray) -> bool:
    """Whether somebody holds a view: such a bytearray refuses to change its length."""
    try:
        room.append(0)
    except BufferError:
        return True
    del room[-1]
    return False
