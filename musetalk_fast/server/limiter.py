"""Limits concurrent requests and the memory of their bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
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
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def check(self) -> None:
        """Refuse a request before its body is read.

        Raises:
            RefusalError: 429, all slots are taken.
        """
        if self._used >= self._limit:
            raise RefusalError(
                429, "MTF-BUSY", f"all {self._limit} streams are in use", "try again later"
            )

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold one slot.

        Raises:
            RefusalError: 429, all are taken.
        """
        self.check()
        self._used += 1
        try:
            with self.awaited():
                yield
        finally:
            self._used -= 1

    @contextmanager
    def expect(self) -> Iterator[None]:
        """A request whose body is on its way: it has no slot, and yet `idle` waits for it.

        Raises:
            RefusalError: 429, all slots are taken.
        """
        self.check()
        with self.awaited():
            yield

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """What `idle` waits for, be there a slot or not: the end of a response."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    @property
    def is_busy(self) -> bool:
        """Whether a slot is taken."""
        return self._used > 0

    async def idle(self) -> None:
        """Return once no slot is taken, no body on its way and no response unfinished."""
        await self._idle.wait()

    def _count(self, change: int) -> None:
        self._busy += change
        if self._busy:
            self._idle.clear()
        else:
            self._idle.set()


class ByteBudget:
    """Bytes that requests may hold in memory together.

    Args:
        limit: most at a time.
        kept: of these, for short requests alone: long ones that come slowly hold theirs for long.
        short: length of the longest of them.
    """

    def __init__(self, limit: int, kept: int, short: int) -> None:
        self._limit = limit
        self._kept = kept
        self._short = short
        self._held = 0

    @contextmanager
    def open(self) -> Iterator[Callable[[int], None]]:
        """A share, free again when the context ends; the function adds bytes to it.

        Raises:
            RefusalError: 429, from the function: the others leave too little.
        """
        mine = 0

        def add(length: int) -> None:
            nonlocal mine
            kept = self._kept if mine + length > self._short else 0
            if self._held + length > self._limit - kept:
                raise RefusalError(
                    429, "MTF-BUSY", "too many long requests are being sent", "try again later"
                )
            self._held += length
            mine += length

        try:
            yield add
        finally:
            self._held -= mine
