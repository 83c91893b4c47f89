"""The result of a render, with the time of each stage."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from musetalk_fast.events import DoneEvent, MouthFigures, StillRowsFigures
from musetalk_fast.rendering.job import JobState, RenderJob
from musetalk_fast.video.mux import Joined
from musetalk_fast.video.parts import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderResult:
    """A finished video.

    Attributes:
        output: the file.
        bytes, frames, duration_secs: of the file.
        fps: frames a second while frames were generated and encoded.
        wall_secs: of the entire render.
        engine, model: what made the mouth; `preview` is not MuseTalk.
        identity: of the plan, in hexadecimal: equal work has an equal one.
        mouth: how far it moved, and how that follows the speech; None if that was not measured.
        still_rows: of the segments that were encoded; None where all rows were to be encoded with
            every frame.
        faceless: frames that show a source frame without a face, or another one in its place.
        stages: seconds spent in each stage.
    """

    output: Path
    bytes: int
    frames: int
    duration_secs: float
    fps: float
    wall_secs: float
    engine: str
    model: str
    identity: str
    mouth: MouthFigures | None = None
    still_rows: StillRowsFigures | None = None
    faceless: int = 0
    stages: dict[str, float] = field(default_factory=dict)


class StageClock:
    """Seconds per stage, by the clock of `time.monotonic`."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._began = self._lap = time.monotonic()

    def lap(self, stage: str, ended: float | None = None) -> None:
        """A stage has ended: now, or at that time."""
        ended = time.monotonic() if ended is None else max(ended, self._lap)
        self.stages[stage] = ended - self._lap
        self._lap = ended

    def total(self) -> float:
        """Seconds since the first stage began."""
        return time.monotonic() - self._began


def make_result(
    job: RenderJob, joined: Joined, clock: StageClock, made: Collection[Part]
) -> RenderResult:
    """The result of a render that made these parts anew."""
    return replace(
        joined_result(job.state, joined),
        fps=sum(part.frames for part in made) / max(1e-9, clock.stages.get("generate", 0.0)),
        wall_secs=clock.total(),
        still_rows=_still_rows(part.still_rows for part in made),
        stages=clock.stages,
    )


def joined_result(state: JobState, joined: Joined) -> RenderResult:
    """What is known of a video whose parts others have made: nothing of the time that it took."""
    assert state.manifest is not None
    engine = state.manifest.engine
    return RenderResult(
        output=state.plan.output,
        bytes=joined.bytes,
        frames=joined.frames,
        duration_secs=float(joined.duration),
        fps=0.0,
        wall_secs=0.0,
        engine=engine.name,
        model=engine.model,
        identity=state.plan.identity,
        mouth=joined.mouth,
        faceless=state.faceless.count(state.plan.sources),
    )


def _still_rows(parts: Iterable[StillRowsFigures | None]) -> StillRowsFigures | None:
    """The figures of several parts."""
    known = [each for each in parts if each is not None]
    if not known:
        return None
    unproven, in_full = (
        sum(getattr(each, name) for each in known) for name in ("unproven", "in_full")
    )
    return replace(known[0], unproven=unproven, in_full=in_full)


def done_event(result: RenderResult) -> DoneEvent:
    """The event that ends a render."""
    return DoneEvent(
        output=str(result.output),
        bytes=result.bytes,
        duration_secs=round(result.duration_secs, 3),
        frames=result.frames,
        fps=round(result.fps, 1),
        wall_secs=round(result.wall_secs, 3),
        engine=result.engine,
        mouth=result.mouth,
        still_rows=result.still_rows,
        faceless=result.faceless,
        stages={name: round(secs, 3) for name, secs in result.stages.items()},
    )
