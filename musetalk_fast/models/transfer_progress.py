"""How far a pull is, as events: not too many, and with a speed once it means something."""

from __future__ import annotations

import time

from musetalk_fast.events import OnEvent, WeightsEvent

_PERIOD_SECS = 0.2
_LEAST_SECS = 1.0


class TransferProgress:
    """Counts the bytes of several files; may be called on any one thread at a time.

    Attributes:
        file: the name of the one at work.
    """

    def __init__(self, stage: str, total: int, on_event: OnEvent) -> None:
        self.file = ""
        self._stage = stage
        self._total = total
        self._on_event = on_event
        self._done = 0
        self._came = 0
        self._began = self._shown = time.monotonic()

    def found(self, count: int) -> None:
        """So many bytes were there."""
        self._done += count
        self._show()

    def came(self, count: int) -> None:
        """So many have come; less than 0: were dropped."""
        self._done += count
        self._came += max(0, count)
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if now - self._shown < _PERIOD_SECS and self._done < self._total:
            return
        self._shown = now
        secs = now - self._began
        speed = self._came / secs if self._came and secs >= _LEAST_SECS else None
        self._on_event(
            WeightsEvent(
                stage=self._stage,
                file=self.file,
                done=self._done,
                total=self._total,
                bytes_per_sec=speed,
                eta_secs=(self._total - self._done) / speed if speed else None,
            )
        )
