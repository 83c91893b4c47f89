"""Each user's quota, and how much of it is left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.users import User

_CODE = "MTF-QUOTA"


class Quotas:
    """Counts the streams and the frames of each user; what is beyond a quota is refused.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._streams: dict[str, int] = {}
        self._frames: dict[str, _Allowance] = {}

    def check(self, user: User) -> None:
        """Refuse a request that has no chance, before its body is read.

        Raises:
            RefusalError: 429, as `stream` and `frames`.
        """
        most = user.quota.streams
        if most is not None and self._streams.get(user.name, 0) >= most:
            raise RefusalError(
                429, _CODE, f"all {most} streams of the key {user.name} are in use",
                "try again when one of them has ended",
            )  # fmt: skip
        allowance = self._allowance(user)
        if allowance is not None and (secs := allowance.secs_until_some()):
            raise RefusalError(
                429, _CODE,
                f"the key {user.name} has {allowance.per_minute} frames a minute, and used them up",
                f"try again in {secs} s", retry_secs=secs,
            )  # fmt: skip

    @contextmanager
    def stream(self, user: User) -> Iterator[None]:
        """One stream or preparation of a user.

        Raises:
            RefusalError: 429, as many as the user may have are running, or no frames are left.
        """
        self.check(user)
        self._streams[user.name] = self._streams.get(user.name, 0) + 1
        try:
            yield
        finally:
            self._streams[user.name] -= 1
            if not self._streams[user.name]:
                del self._streams[user.name]

    @contextmanager
    def frames(self, user: User, count: int, made: Callable[[], int]) -> Iterator[None]:
        """A stream of `count` frames; those that were not made do not count in the end.

        It is let in as soon as one frame is left: the next one waits for what this one used.
        """
        allowance = self._allowance(user)
        if allowance is not None:
            allowance.take(count)
        try:
            yield
        finally:
            if allowance is not None:
                allowance.take(made() - count)

    def _allowance(self, user: User) -> _Allowance | None:
        rate = user.quota.frames_per_minute
        if rate is None:
            return None
        return self._frames.setdefault(user.name, _Allowance(rate, self._clock))


class _Allowance:
    """A token bucket that holds a minute's frames, and whose debt is paid off at the same rate."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._left = float(per_minute)
        self._at = clock()

    def take(self, count: int) -> None:
        """Use so many; a negative number gives back."""
        self._refill()
        self._left = min(self._left - count, self.per_minute)

    def secs_until_some(self) -> int:
        """Whole seconds until one frame is left; 0 if one is."""
        self._refill()
        lacking = 1 - self._left
        return math.ceil(lacking * 60 / self.per_minute) if lacking > 0 else 0

    def _refill(self) -> None:
        now = self._clock()
        self._left = min(self._left + (now - self._at) * self.per_minute / 60, self.per_minute)
        self._at = now
