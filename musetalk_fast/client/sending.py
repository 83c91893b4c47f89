"""Waits for a request whose body is sent, as long as the server takes bytes of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from musetalk_fast.client.connection import Connection
from musetalk_fast.errors import ServerUnreachableError

T = TypeVar("T")

_SLACK_SECS = 0.1


class Movement:
    """When bytes were taken last, by the loop's clock."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._at = self._clock()

    def moved(self) -> None:
        """Bytes were taken."""
        self._at = self._clock()

    def finished(self) -> None:
        """All of them were: what the server does from now on is measured elsewhere."""
        self._at = math.inf

    @property
    def secs(self) -> float:
        """How long nothing has moved."""
        return self._clock() - self._at


async def while_it_moves(connection: Connection, send: Callable[[Movement], Awaitable[T]]) -> T:
    """What `send` gives; sockets have no time-out of their own for a peer that takes no more bytes.

    Args:
        send: sends a request; tells of each piece of its body.

    Raises:
        errors.ServerUnreachableError: nothing was taken for as long as a server may be silent.
    """
    movement = Movement()
    sending = asyncio.ensure_future(send(movement))
    try:
        while not sending.done():
            left = connection.timeout_secs - movement.secs
            if left <= 0:
                raise ServerUnreachableError(
                    f"takes no bytes for {connection.timeout_secs:g} s",
                    where=connection.address.name,
                )
            # A little more, so that silence after the last byte is told as silence.
            longest = None if math.isinf(left) else left + _SLACK_SECS
            await asyncio.wait({sending}, timeout=longest)
        return sending.result()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
