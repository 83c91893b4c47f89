"""Health of the engine, by how its batches and preparations end."""

from __future__ import annotations

import time
from collections.abc import Callable

from musetalk_fast.engines.base import Engine, ReportsWorkers, WorkerCount
from musetalk_fast.errors import DeviceFaultError

STUCK_SECS = 600.0
"""A batch that takes longer will not come: on a slow CPU a crop takes a minute."""


class EngineHealth:
    """Notes what batches and preparations end with; from any thread.

    Args:
        clock: that of `Batcher.began`.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._is_lost = False

    def has_failed(self, workers: WorkerCount | None, began: float | None) -> bool:
        """Whether it is of no use now.

        Args:
            workers: of the engine, if it has any.
            began: when it was given the batch that it is at.
        """
        if workers is not None and workers.ready == 0:
            return True
        return self._is_lost or (began is not None and self._clock() - began > STUCK_SECS)

    def worked(self) -> None:
        """A batch was made."""
        self._is_lost = False

    def failed(self, error: BaseException) -> None:
        """Something failed, because the GPU did or not."""
        if isinstance(error, DeviceFaultError):
            self._is_lost = True


def workers_of(engine: Engine) -> WorkerCount | None:
    """The processes of an engine that has any."""
    return engine.workers() if isinstance(engine, ReportsWorkers) else None
