"""The least rate and the longest time of an upload."""

from __future__ import annotations

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.limits import Limits


class UploadRate:
    """Holds a body to its least rate and its longest time.

    Only time in which we wait for bytes counts: a client is not to blame for our disk.
    """

    def __init__(self, limits: Limits) -> None:
        self._rate = limits.body_rate
        self._window_secs = limits.body_rate_secs
        self._secs = limits.body_secs
        self._waited = 0.0
        self._window_waited = 0.0
        self._window_bytes = 0

    @property
    def patience(self) -> float:
        """Seconds to wait before the next `add`."""
        return max(0.0, min(self._window_secs - self._window_waited, self._secs - self._waited))

    def add(self, secs: float, length: int) -> None:
        """So many bytes came after so many seconds.

        Raises:
            RefusalError: 408, the body takes too long.
        """
        self._waited += secs
        self._window_waited += secs
        self._window_bytes += length
        if self._waited >= self._secs:
            raise _slow(f"the body has not come in {self._secs:g} s")
        if self._window_waited < self._window_secs:
            return
        if self._window_bytes < self._rate * self._window_secs:
            raise _slow(f"the body comes slower than {self._rate} bytes a second")
        self._window_waited, self._window_bytes = 0.0, 0


def _slow(message: str) -> RefusalError:
    return RefusalError(408, "MTF-REQUEST-SLOW", message, "send it over a faster connection")
