"""Limits that concurrent renders share: encoding threads and active segments.

Without it each of many renders would have as many encoders as the machine has processors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol


class Sharer(Protocol):
    """A render at work."""

    @property
    def open_segments(self) -> int:
        """Its active segments that need frames."""

    @property
    def active_segments(self) -> int:
        """These, and those that are in their encoders yet."""

    @property
    def has_waiting(self) -> bool:
        """Whether it has segments that nobody has begun."""

    def wake(self) -> None:
        """A slot may be free."""


class EncoderSlots:
    """Segments of all renders that may be active.

    Args:
        limit: of those that need frames at a time; as many more may be in their encoders.
        renders_follow: whether renders will share them that do not yet.

    Attributes:
        threads: that encode.
    """

    def __init__(self, limit: int, renders_follow: Callable[[], bool] = lambda: False) -> None:
        self.limit = limit
        self._renders_follow = renders_follow
        self.threads = ThreadPoolExecutor(limit, "encode")
        self._sharers: list[Sharer] = []

    def __enter__(self) -> EncoderSlots:
        return self

    def __exit__(self, *_: object) -> None:
        self.threads.shutdown(wait=False)

    @contextmanager
    def shared_by(self, sharer: Sharer) -> Iterator[None]:
        """While the context is open, it takes slots; a render that began before comes first."""
        self._sharers.append(sharer)
        try:
            yield
        finally:
            self._sharers.remove(sharer)
            self.notify()

    def has_free(self) -> bool:
        """Whether another segment may become active."""
        return (
            sum(each.open_segments for each in self._sharers) < self.limit
            and sum(each.active_segments for each in self._sharers) < 2 * self.limit
        )

    def has_waiting(self) -> bool:
        """Whether any render has segments, or will have some, that nobody has begun."""
        return self._renders_follow() or any(each.has_waiting for each in self._sharers)

    def notify(self) -> None:
        """A slot may be free: whoever began first is woken first."""
        for each in tuple(self._sharers):
            each.wake()
