"""Bodies whose connection is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

_POLL_INTERVAL_SECS = 0.25


@contextmanager
def failing_if_disconnected(response: aiohttp.ClientResponse) -> Iterator[None]:
    """While the context is open, a body that can no longer come fails with ClientPayloadError.

    aiohttp closes a connection whose chunks are invalid, but does not raise in a task that reads
    the body, and stops its time-outs: the read would never return.
    """
    protocol = response.connection.protocol if response.connection else None
    if protocol is None:  # the body is here already
        yield
        return
    loop, content = asyncio.get_running_loop(), response.content
    again: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal again
        if protocol.transport is not None:
            again = loop.call_later(_POLL_INTERVAL_SECS, look)
        elif not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("its framing is broken"))

    look()
    try:
        yield
    except RuntimeError as error:
        # What aiohttp raises in a reader that begins to wait after the end, before we check.
        if protocol.transport is None and not content.is_eof() and content.exception() is None:
            raise aiohttp.ClientPayloadError("its framing is broken") from error
        raise
    finally:
        if again is not None:
            again.cancel()
