"""What connections were given to send, until the kernel has all of it."""

from __future__ import annotations

import asyncio
import select
import sys
from contextlib import suppress
from fcntl import ioctl
from termios import TIOCOUTQ

from aiohttp.abc import AbstractStreamWriter

_SHORT_SECS = 0.005
_LOOKS = 8
"""In a row: one is wrong under TLS where the client has read a third of the kernel's buffer since
the loop filled it, moments ago."""
_STEPS = 8
"""Looks in the time that a client may take nothing."""


class SendBuffer:
    """What one connection was given to send; a client that takes none of it is let go.

    Args:
        transport: of the connection; once it is closing it still sends what it has.
        stalled_secs: for so long a client may take no byte.
    """

    def __init__(self, transport: asyncio.Transport, stalled_secs: float) -> None:
        self._transport = transport
        self._is_tls = transport.get_extra_info("sslcontext") is not None
        self._secs = stalled_secs
        self._loop = asyncio.get_running_loop()
        self._responses = 0
        self._writer: AbstractStreamWriter | None = None
        self._taken = self._queued = 0
        self._since = self._loop.time()
        self._look_later()

    def follow(self, writer: AbstractStreamWriter) -> None:
        """A response is about to be written."""
        if writer is not self._writer:
            self._responses += self._writer.output_size if self._writer is not None else 0
            self._writer = writer

    def close(self) -> None:
        """The connection has ended."""
        self._timer.cancel()
        self._writer = None

    @property
    def seems_empty(self) -> bool:
        """Whether the kernel has all; under TLS only if several looks in a row say so."""
        if self._transport.get_write_buffer_size():
            return False
        # A transport under TLS does not count what waits in the one below it.
        return not self._is_tls or self._is_ready()

    @property
    def _descriptor(self) -> int:
        return self._transport.get_extra_info("socket").fileno()  # type: ignore[no-any-return]

    def _is_ready(self) -> bool:
        """Whether the kernel takes more, so that nothing waits for it; or nothing more at all."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(0))

    def _look(self) -> None:
        unsent = self._transport.get_write_buffer_size()
        if not unsent or self._has_moved(unsent):
            self._since = self._loop.time()
        elif self._loop.time() - self._since >= self._secs:
            self._transport.abort()
        self._look_later()

    def _has_moved(self, unsent: int) -> bool:
        """Whether anything was taken since the last look.

        The kernel takes more only once a third of its buffer is free: for who reads slowly that
        takes long, and what is in that buffer says more.
        """
        written = self._responses + (self._writer.output_size if self._writer is not None else 0)
        taken, queued = max(self._taken, written - unsent), _queued(self._descriptor)
        has_moved = (taken, queued) != (self._taken, self._queued)
        self._taken, self._queued = taken, queued
        return has_moved

    def _look_later(self) -> None:
        self._timer = self._loop.call_later(self._secs / _STEPS, self._look)


def _queued(descriptor: int) -> int:
    """Bytes in the kernel that the client's has not confirmed; 0 where the system cannot say it."""
    with suppress(OSError):
        return int.from_bytes(ioctl(descriptor, TIOCOUTQ, bytes(4)), sys.byteorder)
    return 0


class SendBuffers:
    """Those of all connections of a server.

    Args:
        stalled_secs: as for each of them.
    """

    def __init__(self, stalled_secs: float) -> None:
        self._secs = stalled_secs
        self._open: set[SendBuffer] = set()

    def add(self, transport: asyncio.Transport) -> SendBuffer:
        """That of a new connection."""
        send_buffer = SendBuffer(transport, self._secs)
        self._open.add(send_buffer)
        return send_buffer

    def remove(self, send_buffer: SendBuffer) -> None:
        """Its connection has ended."""
        send_buffer.close()
        self._open.discard(send_buffer)

    @property
    def seem_empty(self) -> bool:
        """Whether all do."""
        return all(send_buffer.seems_empty for send_buffer in self._open)

    async def emptied(self) -> None:
        """Wait until the kernel has all that was written: it sends that even if we end."""
        empty = 0
        while empty < _LOOKS:
            await asyncio.sleep(_SHORT_SECS)
            empty = empty + 1 if self.seem_empty else 0
