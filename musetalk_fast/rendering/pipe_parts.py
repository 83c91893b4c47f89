"""Writes parts to a pipe in order, each as soon as it is finished."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TypeAlias

from musetalk_fast.errors import PartsError
from musetalk_fast.events import Event, OnEvent, SegmentEvent
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.rendering.join import send_parts
from musetalk_fast.tasks import run_all
from musetalk_fast.threads import CancelFlag, run_in_thread
from musetalk_fast.video.mux import Joined
from musetalk_fast.video.parts import Part
from musetalk_fast.video.pipe_file import PipeFile

_POLL_SECS = 0.2

MakeParts: TypeAlias = Callable[[OnEvent], Awaitable[dict[int, Part]]]
"""Makes all parts of a job, and gives a listener the events."""


async def send_as_made(
    job: RenderJob, descriptor: int, make: MakeParts, on_event: OnEvent
) -> tuple[dict[int, Part], Joined]:
    """Make the parts of a job and send each when it and those before it are finished.

    Args:
        descriptor: of the pipe; stays open.

    Returns:
        The parts, whose files are gone, and what became of them.

    Raises:
        BrokenPipeError: the reader has gone.
        errors.MuseTalkError: what went wrong with making or sending them.
    """
    flag = CancelFlag()
    pipe = PipeFile(descriptor, flag.check)
    parts = PartsInOrder(job, pipe)
    made: dict[int, Part] = {}
    joined: list[Joined] = []

    def listen(event: Event) -> None:
        parts.listen(event)
        on_event(event)

    async def make_all() -> None:
        made.update(await make(listen))

    async def send_all() -> None:
        joined.append(await run_in_thread(partial(send_parts, job, parts, pipe), flag.set))

    await run_all(make_all(), send_all())
    return made, joined[0]


class PartsInOrder:
    """The parts of a job for a thread that takes one after the other, each when it is finished.

    A part that was taken is removed when the next one is asked for.

    Args:
        job: whose events `listen` gets.
        pipe: where the parts go; a reader that has gone ends the wait for the next one.
    """

    def __init__(self, job: RenderJob, pipe: PipeFile) -> None:
        self._job, self._pipe = job, pipe
        self._finished: set[int] = set()
        self._changed = threading.Condition()

    def listen(self, event: Event) -> None:
        """Take note of a segment that is a part now."""
        if isinstance(event, SegmentEvent):
            with self._changed:
                self._finished.add(event.number)
                self._changed.notify()

    def __iter__(self) -> Iterator[Part]:
        for segment in self._job.plan.segments:
            with self._changed:
                while segment.number not in self._finished:
                    self._pipe.check_reader()
                    self._changed.wait(_POLL_SECS)
            part = self._job.state.finished([segment]).get(segment.number)
            if part is None:
                raise self._unreadable(segment)
            yield part
            part.path.unlink()

    def _unreadable(self, segment: Segment) -> PartsError:
        message = f"the part of segment {segment.number} was finished and cannot be read back"
        hint = (
            "render again; it is kept in TMPDIR until it is sent, and `ulimit -n` limits open files"
        )
        return PartsError(message, where=str(self._job.state.jobdir.path), hint=hint)
