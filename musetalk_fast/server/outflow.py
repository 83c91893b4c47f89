"""What a connection was given to send, until the kernel has all of it."""

from __future__ import annotations

import asyncio
import select

_SHORT_SECS = 0.005
_LOOKS = 8
"""In a row: one is wrong under TLS where the client has read a third of the kernel's buffer since
the loop filled it, moments ago."""


class Outflow:
    """What one connection was given to send.

    Args:
        transport: of the connection; it may be closing.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._is_tls = transport.get_extra_info("sslcontext") is not None

    @property
    def seems_empty(self) -> bool:
        """Whether the kernel has all; under TLS only if several looks in a row say so."""
        if self._transport.get_write_buffer_size():
            return False
        # A transport under TLS does not count what waits in the one below it.
        return not self._is_tls or self._is_ready()

    def _is_ready(self) -> bool:
        """Whether the kernel takes more, so that nothing waits for it; or nothing more at all."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLOUT)
        return bool(poll.poll(0))


class Outflows:
    """Those of all connections of a server."""

    def __init__(self) -> None:
        self._open: set[Outflow] = set()

    def add(self, transport: asyncio.Transport) -> Outflow:
        """That of a new connection."""
        outflow = Outflow(transport)
        self._open.add(outflow)
        return outflow

    def remove(self, outflow: Outflow) -> None:
        """The connection has ended."""
        self._open.discard(outflow)

    @property
    def seem_empty(self) -> bool:
        """Whether all do."""
        return all(outflow.seems_empty for outflow in self._open)

    async def emptied(self) -> None:
        """Wait until the kernel has all that was written: it sends that even if we end."""
        empty = 0
        while empty < _LOOKS:
            await asyncio.sleep(_SHORT_SECS)
            empty = empty + 1 if self.seem_empty else 0
