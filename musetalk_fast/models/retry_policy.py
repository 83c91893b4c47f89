"""Which failures of the hub are retried, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from musetalk_fast.errors import HubBusyError, HubError, HubUnreachableError

MAX_FAILURES = 6
"""In a row, none of which has brought a byte."""

Pause: TypeAlias = Callable[[int, float | None], float]
"""Seconds to wait after so many failures in a row, the last of which asked for so many."""

OnRetry: TypeAlias = Callable[[HubError, float], None]
"""Called with a failure, and seconds until the next attempt."""


class Attempts:
    """Attempts at one thing."""

    def __init__(self, pause: Pause, on_retry: OnRetry) -> None:
        self._pause = pause
        self._on_retry = on_retry
        self._failures = 0

    async def failed(self, error: HubError, *, progressed: bool) -> None:
        """Wait until the next attempt.

        Args:
            progressed: this one has brought something.

        Raises:
            errors.HubError: the failure itself, if there shall be none.
        """
        self._failures = 1 if progressed else self._failures + 1
        passes = isinstance(error, HubUnreachableError | HubBusyError)
        if not passes or self._failures > MAX_FAILURES:
            raise error
        asked = error.retry_after if isinstance(error, HubBusyError) else None
        secs = self._pause(self._failures, asked)
        self._on_retry(error, secs)
        await asyncio.sleep(secs)
