"""Detects stalls: heartbeats alone do not count as progress."""

from __future__ import annotations

import asyncio

from musetalk_fast.errors import ServerSlowError

_HINT = (
    "look at the server's load; if it needs longer, raise [server] frame_timeout_secs "
    "(--frame-timeout)"
)


class StallTimer:
    """Measures the time since an answer's last step forward, from its beginning on.

    Args:
        limit_secs: longest time.
        step: what is waited for, for messages.
        where: the server's name for messages.
    """

    def __init__(self, limit_secs: float, step: str, where: str) -> None:
        self._clock = asyncio.get_running_loop().time
        self._limit_secs = limit_secs
        self._step = step
        self._where = where
        self._due = self._clock() + limit_secs

    def restart(self) -> None:
        """A step forward was made, and what we had to do about it is done."""
        self._due = self._clock() + self._limit_secs

    def check(self) -> None:
        """To be called with every keep-alive.

        Raises:
            errors.ServerSlowError: the last step forward is too long ago.
        """
        if self._clock() > self._due:
            raise ServerSlowError(
                f"alive, but sent no {self._step} in {self._limit_secs:g} s",
                where=self._where,
                hint=_HINT,
            )
