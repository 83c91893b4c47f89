"""How the events of tasks come to the terminal: an actor keeps them until they are fetched."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from contextlib import suppress
from typing import Any

import ray

from musetalk_fast.events import Event, ProgressEvent
from musetalk_fast.farming.ray.job_tasks import Begun, Message

_MOST = 20_000
"""Events that wait; the oldest go first. They are fetched four times a second."""
_PERIOD_SECS = 0.25
_ACKNOWLEDGED_SECS = 5.0


class EventActor:
    """Keeps messages, in their order, until they are taken."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=_MOST)

    async def put(self, message: Message) -> None:
        """Keep a message."""
        self._messages.append(message)

    async def take(self) -> list[Message]:
        """All that have come."""
        taken = list(self._messages)
        self._messages.clear()
        return taken


class EventSender:
    """Sends the events of a task; of a stage's progress a few a second, and the last."""

    def __init__(self, actor: Any, job: str, piece: int) -> None:
        self._actor = actor
        self._job = job
        self._piece = piece
        self._sent_at: dict[str, float] = {}
        self._held: dict[str, ProgressEvent] = {}

    def begin(self) -> None:
        """Say that this task is at work, and where."""
        self._send(Begun(f"{socket.gethostname()}, process {os.getpid()}"))

    def __call__(self, event: Event) -> None:
        """Send it, now or with the next."""
        if not isinstance(event, ProgressEvent):
            self._send(event)
            return
        now = time.monotonic()
        is_last = event.done >= event.total
        if is_last or now - self._sent_at.get(event.stage, 0.0) >= _PERIOD_SECS:
            self._sent_at[event.stage] = now
            self._held.pop(event.stage, None)
            self._send(event)
        else:
            self._held[event.stage] = event

    def flush(self) -> None:
        """Return when all has arrived; where the actor is gone, it is lost."""
        for event in self._held.values():
            self._send(event)
        self._held.clear()
        with suppress(ray.exceptions.RayError):
            ray.get(self._actor.__ray_ready__.remote(), timeout=_ACKNOWLEDGED_SECS)

    def _send(self, content: Event | Begun) -> None:
        with suppress(ray.exceptions.RayError):
            self._actor.put.remote(Message(self._job, self._piece, content))
