"""How many requests may work at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from musetalk_fast.server.error_responses import RefusalError


class Limiter:
    """Counts working requests; those beyond the limit are refused, none waits.

    Args:
        limit: most at a time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold one slot.

        Raises:
            RefusalError: 429, all are taken.
        """
        if self._used >= self._limit:
            raise RefusalError(
                429, "MTF-BUSY", f"all {self._limit} streams are in use", "try again later"
            )
        self._used += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._used -= 1
            if not self._used:
                self._idle.set()

    async def idle(self) -> None:
        """Return once no slot is taken."""
        await self._idle.wait()
