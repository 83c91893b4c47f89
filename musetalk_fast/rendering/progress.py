"""Counts frames while a render runs, and tells of it a few times a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from musetalk_fast.events import Event, ProgressEvent

_PERIOD_SECS = 0.1


class Meter:
    """Frames received and encoded. The loop writes one count, encoding threads the other."""

    def __init__(self, frames: int, on_event: Callable[[Event], None]) -> None:
        self.received = 0
        self.encoded = 0
        self._frames = frames
        self._on_event = on_event
        self._began = time.monotonic()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell of progress while the context is open, and once at its end."""
        self._began = time.monotonic()
        ticker = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticker.cancel()
            with suppress(asyncio.CancelledError):
                await ticker
        self._tell()

    @property
    def fps(self) -> float:
        """Frames encoded a second since the context was opened."""
        return self.encoded / max(1e-9, time.monotonic() - self._began)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_PERIOD_SECS)
            self._tell()

    def _tell(self) -> None:
        fps = self.fps
        left = self._frames - self.encoded
        self._on_event(
            ProgressEvent(
                stage="generate",
                done=self.received,
                total=self._frames,
                fps=round(fps, 2),
                eta_secs=round(left / fps, 1) if fps > 0 else None,
            )
        )
        self._on_event(ProgressEvent(stage="encode", done=self.encoded, total=self._frames))
