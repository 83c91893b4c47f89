"""The events of a render: its plan, its segments, failures, and how far it is."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from musetalk_fast.errors import MuseTalkError
from musetalk_fast.events import (
    Event,
    MouthFigures,
    PlanEvent,
    ProgressEvent,
    SegmentEvent,
    WarningEvent,
)
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.rendering.jobdir import JobDirectory
from musetalk_fast.tasks import cancel_and_wait
from musetalk_fast.video.parts import Part

_PERIOD_SECS = 0.1
_MAX_NAMED = 3
_SHORT_SECS = 2
"""Of a segment: where key frames already make most of the file."""


def plan_event(plan: Plan, kept: int = 0) -> PlanEvent:
    """What is going to be made; `kept` segments of it are finished."""
    return PlanEvent(
        avatar=str(plan.avatar),
        audio=str(plan.audio),
        output=str(plan.output),
        frames=plan.frames,
        fps=str(plan.fps),
        width=plan.width,
        height=plan.height,
        segments=len(plan.segments),
        kept=kept,
        encoder=plan.encoder.codec,
        threads=plan.encoder.threads,
        frame_encoding=plan.frame_encoding.value,
        transparent=plan.is_transparent,
    )


def segment_event(segment: Segment, part: Part, *, reused: bool = False) -> SegmentEvent:
    """The part of a segment is finished."""
    return SegmentEvent(
        number=segment.number,
        start=segment.start,
        stop=segment.stop,
        bytes=part.bytes,
        reused=reused,
    )


def failure_event(error: MuseTalkError, secs: float) -> WarningEvent:
    """A server failed; it is retried after so many seconds, or never."""
    again = "excluded" if math.isinf(secs) else f"trying again in {secs:.1f} s"
    return WarningEvent(message=f"{error}; {again}", token=error.token)


def stopped_event(jobdir: JobDirectory, plan: Plan) -> WarningEvent:
    """The render ends early: what of it is kept."""
    kept, count = jobdir.count_parts(), len(plan.segments)
    if kept:
        segments = "segment" if count == 1 else "segments"
        message = (
            f"{kept} of {count} {segments} kept in {jobdir.path}: the same command again continues"
        )
        return WarningEvent(message=message, token="MTF-PARTS-KEPT")
    secs = float(plan.segments[0].frames / plan.fps)
    alone = f"the only segment, of {secs:.3g} s, was not finished"
    several = f"none of {count} segments of {secs:.3g} s was finished"
    message = f"nothing could be kept: {alone if count == 1 else several}"
    if secs > _SHORT_SECS:
        message += (
            "; shorter ones lose less, but make the file larger: --segment-secs 5 up to half as "
            "large again, 2 three times as large"
        )
    return WarningEvent(message=message, token="MTF-PARTS-NONE")


def still_event(mouth: MouthFigures) -> WarningEvent:
    """There was speech, and the mouth did not move."""
    return WarningEvent(
        message=f"the mouth did not move in {mouth.speech_secs:.1f} s of speech: look at the "
        "video, and see with --face-preview which face was taken",
        token="MTF-MOUTH-STILL",
    )


def foreign_event(jobdir: JobDirectory, names: list[str]) -> WarningEvent:
    """The video is finished, but the job directory stays because of what is not ours in it."""
    named = ", ".join(names[:_MAX_NAMED]) + (", ..." if len(names) > _MAX_NAMED else "")
    message = f"{jobdir.path} stays: it holds what no render has made ({named})"
    return WarningEvent(message=message, token="MTF-PARTS-FOREIGN")


class JoinProgress:
    """Emits how far joining is, about a hundred times; called with the number of frames so far.

    Its beginning and its end are the caller's to emit: nothing has begun, all is in its place.
    """

    def __init__(self, frames: int, emit: Callable[[Event], None]) -> None:
        self._frames, self._emit = frames, emit
        self._step = self._next = max(1, frames // 100)

    def event(self, done: int) -> ProgressEvent:
        """So many frames are joined."""
        return ProgressEvent(stage="join", done=done, total=self._frames)

    def __call__(self, done: int) -> None:
        """Emit that, if it is news."""
        if self._next <= done < self._frames:
            self._next = done + self._step
            self._emit(self.event(done))


class Counts(Protocol):
    """Frames so far."""

    @property
    def received(self) -> int:
        """Frames that have come."""
        ...

    @property
    def encoded(self) -> int:
        """Frames through an encoder."""
        ...


class ProgressReporter:
    """Emits the progress of a render.

    Args:
        frames: to be made.
        counts: how many were.
    """

    def __init__(self, frames: int, counts: Counts, on_event: Callable[[Event], None]) -> None:
        self._frames = frames
        self._counts = counts
        self._on_event = on_event
        self._began = time.monotonic()
        self._emitted: tuple[int, int] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Emit changes while the context is open, and at its end."""
        self._began = time.monotonic()
        ticker = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            await cancel_and_wait([ticker])
        if not ticker.cancelled():
            ticker.result()  # a listener has raised
        self._emit()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_PERIOD_SECS)
            self._emit()

    def _emit(self) -> None:
        received, encoded = self._counts.received, self._counts.encoded
        if not received:
            self._began = time.monotonic()  # uploads and preparation do not count
        fps = encoded / max(1e-9, time.monotonic() - self._began)
        left = self._frames - encoded
        if (received, encoded) == self._emitted:
            return
        self._emitted = received, encoded
        self._on_event(
            ProgressEvent(
                stage="generate",
                done=received,
                total=self._frames,
                fps=round(fps, 2),
                eta_secs=round(left / fps, 1) if fps > 0 else None,
            )
        )
        self._on_event(ProgressEvent(stage="encode", done=encoded, total=self._frames))
