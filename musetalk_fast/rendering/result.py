"""What came of a render, and how long its stages took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from musetalk_fast.events import DoneEvent, MouthFigures
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.video.mux import Joined


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderResult:
    """A finished video.

    Attributes:
        output: the file.
        bytes, frames, duration_secs: of the file.
        fps: frames a second while frames were generated and encoded.
        wall_secs: of the entire render.
        engine, model: what made the mouth; `preview` is not MuseTalk.
        mouth: how far it moved, and how that follows the speech; None if that was not measured.
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
    mouth: MouthFigures | None = None
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


def make_result(job: RenderJob, joined: Joined, clock: StageClock, made: int) -> RenderResult:
    """The result of a render that made so many frames anew."""
    assert job.state.manifest is not None
    engine = job.state.manifest.engine
    return RenderResult(
        output=job.plan.output,
        bytes=joined.bytes,
        frames=joined.frames,
        duration_secs=float(joined.duration),
        fps=made / max(1e-9, clock.stages.get("generate", 0.0)),
        wall_secs=clock.total(),
        engine=engine.name,
        model=engine.model,
        mouth=joined.mouth,
        stages=clock.stages,
    )


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
        stages={name: round(secs, 3) for name, secs in result.stages.items()},
    )
