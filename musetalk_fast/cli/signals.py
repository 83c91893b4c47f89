"""Runs the asynchronous part of a command so that a signal stops it within a second."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

_GRACE_SECS = 0.8
"""For cleaning up: a render takes its unfinished files away in this time."""


class Stopped(BaseException):
    """A signal asked us to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.exit_code = 128 + number


def stop_on_sigterm() -> None:
    """Have SIGTERM unwind the program, so that what it opened is cleaned up."""

    def stop(number: int, _frame: object) -> None:
        raise Stopped(number)

    signal.signal(signal.SIGTERM, stop)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; SIGINT and SIGTERM cancel it, a second one ends the process at once.

    Raises:
        Stopped: a signal came, and the coroutine has cleaned up.
    """
    if sys.platform == "win32":
        import asyncio

        return asyncio.run(_stoppable(work))
    import uvloop

    return uvloop.run(_stoppable(work))


async def _stoppable(work: Coroutine[Any, Any, T]) -> T:
    import asyncio
    from contextlib import suppress

    task = asyncio.current_task()
    assert task is not None
    stop = _Stop(task)
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await work
    except BaseException:
        # Whatever cancellation turned into on its way up, it began with the signal.
        if stop.number is not None:
            raise Stopped(stop.number) from None
        raise


class _Stop:
    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.number: int | None = None

    def __call__(self, number: int) -> None:
        import threading

        if self.number is not None:
            os._exit(128 + number)
        self.number = number
        # A thread that is inside a long native call cannot be waited for.
        guard = threading.Timer(_GRACE_SECS, os._exit, [128 + number])
        guard.daemon = True
        guard.start()
        self._task.cancel()
