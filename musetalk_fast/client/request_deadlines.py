"""Deadlines for the steps of a request."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable

import aiohttp

from musetalk_fast.errors import ServerUnreachableError

_POLL_INTERVAL_SECS = 0.1


class RequestDeadlines:
    """The deadlines of a request: connecting, sending its body, waiting for its response head.

    Sockets have no time-out for a peer that takes no more bytes, and theirs for one that sends
    none starts again with each byte.

    Args:
        piece_secs: longest wait for a piece of the body to be taken.
        head_secs: longest wait for the complete response head after that.

    Attributes:
        is_reused: the request was given a connection that has served others.
    """

    def __init__(self, piece_secs: float, head_secs: float) -> None:
        self._clock = asyncio.get_running_loop().time
        self._piece_secs = piece_secs
        self._head_secs = head_secs
        self.is_reused = False
        self._has_more = False
        self._due = math.inf  # connecting has a limit of its own

    def connected(self) -> None:
        """The request begins."""
        self._due = self._clock() + (self._piece_secs if self._has_more else self._head_secs)

    async def pieces(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same pieces; each is taken before the next one is asked for."""
        self._has_more = True
        async for piece in body:
            yield piece
            self._due = self._clock() + self._piece_secs
        self._has_more = False
        self._due = self._clock() + self._head_secs

    async def answer(
        self, asking: Awaitable[aiohttp.ClientResponse], where: str
    ) -> aiohttp.ClientResponse:
        """What comes back.

        Args:
            where: the server's name for messages.

        Raises:
            errors.ServerUnreachableError: a step took too long.
        """
        asked = asyncio.ensure_future(asking)
        try:
            while not asked.done():
                left = self._due - self._clock()
                if left <= 0:
                    raise ServerUnreachableError(self._what_is_late(), where=where)
                # A little more, so that silence after the last byte is reported as silence.
                longest = _POLL_INTERVAL_SECS + (0.0 if math.isinf(left) else left)
                await asyncio.wait({asked}, timeout=longest)
            return asked.result()
        except BaseException:
            asked.cancel()
            for late in await asyncio.gather(asked, return_exceptions=True):
                if isinstance(late, aiohttp.ClientResponse):
                    late.close()
            raise

    def _what_is_late(self) -> str:
        if self._has_more:
            return f"takes no bytes for {self._piece_secs:g} s"
        return f"no complete response head in {self._head_secs:g} s"
