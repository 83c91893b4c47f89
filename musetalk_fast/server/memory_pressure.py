"""Notes when the engine runs out of memory, so that new work is refused for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

from musetalk_fast.errors import DeviceMemoryError, MemoryLimitError
from musetalk_fast.system_limits import limit_error

SHORT_SECS = 30.0
"""So long after a want of memory nothing new is sent here, unless a batch succeeds meanwhile."""


class MemoryPressure:
    """Notes what batches and preparations end with; from any thread.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = float("-inf")

    @property
    def is_short(self) -> bool:
        """Whether memory was short in the last seconds."""
        return self._clock() < self._until

    def worked(self) -> None:
        """A batch was made: there is memory."""
        self._until = float("-inf")

    def failed(self, error: BaseException) -> None:
        """Something failed, for want of memory or not."""
        if isinstance(limit_error(error) or error, DeviceMemoryError | MemoryLimitError):
            self._until = self._clock() + SHORT_SECS
