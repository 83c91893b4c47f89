"""The bounded bridge from the event loop to one encoding thread."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class QueueClosedError(Exception):
    """The other side is gone: nothing put from now on would be consumed."""


class FrameQueue(Generic[T]):
    """A queue filled by coroutines and drained by a thread; from `limit` items on it is full.

    `put` adds all its items at once, then waits without blocking the loop while the queue is
    full, so that back-pressure reaches the socket. So it never holds more than `limit - 1` items
    and one batch of each coroutine that puts. Items cross in batches: one lock and at most one
    wake-up per batch.
    """

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        self._limit = limit
        self._loop = loop
        self._items: deque[T] = deque()
        self._lock = threading.Lock()
        self._not_empty = threading.Condition(self._lock)
        self._not_full = asyncio.Event()
        self._not_full.set()
        self._ended = False
        self._closed = False

    async def put(self, items: Iterable[T]) -> None:
        """Add items in order; return once there is space for more.

        Raises:
            QueueClosedError: the consumer thread has stopped.
        """
        with self._lock:
            if self._closed:
                raise QueueClosedError
            self._items.extend(items)
            self._not_empty.notify()
            if len(self._items) >= self._limit:
                self._not_full.clear()
        await self._not_full.wait()

    def end(self) -> None:
        """No more items: the thread's loop finishes after the last one."""
        with self._lock:
            self._ended = True
            self._not_empty.notify()

    def close(self) -> None:
        """Stop both sides at once; from any thread."""
        with self._lock:
            self._closed = True
            self._items.clear()
            self._not_empty.notify()
        self._wake()

    @property
    def backlogged(self) -> bool:
        """Whether the thread is behind: more waits than it takes at a time."""
        return len(self._items) > self._limit // 2

    @property
    def closed(self) -> bool:
        """Whether `close` was called, rather than `end`."""
        return self._closed

    def __iter__(self) -> Iterator[T]:
        """Take items in the thread until `end` or `close`."""
        while (batch := self._take()) is not None:
            yield from batch

    def _take(self) -> list[T] | None:
        with self._lock:
            while not (self._items or self._ended or self._closed):
                self._not_empty.wait()
            if self._closed or not self._items:
                return None
            # Half a queue at a time: the socket refills while this half is encoded.
            batch = [
                self._items.popleft()
                for _ in range(min(len(self._items), max(1, self._limit // 2)))
            ]
            has_space = len(self._items) < self._limit
        if has_space and not self._not_full.is_set():
            self._wake()
        return batch

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._not_full.set)
