"""Concurrent tasks, none of which may swallow a cancellation of the task that awaits them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

_AGAIN_SECS = 1.0


async def run_all(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all coroutines concurrently; if one of them fails, the others are cancelled.

    Not `asyncio.gather`: cancelled in the moment after one has failed, it raises that failure and
    the cancellation is lost.

    Raises:
        BaseException: what the first that failed has raised.
    """
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        await cancel_and_wait(tasks)


async def cancel_and_wait(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks; return when they have ended, whatever they end with.

    A task that continues because something in it has lost the cancellation is cancelled again. A
    cancellation of the caller meanwhile is raised only when all have ended: whoever waits for the
    caller does so in the same way, and must not cut it short.
    """
    loop = asyncio.get_running_loop()
    again_at, cancelled = loop.time(), None
    while pending := [task for task in tasks if not task.done()]:
        if loop.time() >= again_at:
            for task in pending:
                task.cancel()
            again_at = loop.time() + _AGAIN_SECS
        try:
            await asyncio.wait(pending, timeout=again_at - loop.time())
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen
    if cancelled is not None:
        raise cancelled
