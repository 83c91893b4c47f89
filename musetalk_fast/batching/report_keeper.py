"""Keeps the report of a running batch, in memory and in the folder of its videos."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from musetalk_fast.batching.batch_job import Job
from musetalk_fast.batching.outcome import Outcome
from musetalk_fast.batching.output_files import output_bytes, output_files
from musetalk_fast.batching.report import JobRecord, JobState, Report
from musetalk_fast.batching.report_folder import ReportFolder
from musetalk_fast.events import (
    DoneEvent,
    Event,
    FacelessEvent,
    PlanEvent,
    ServerEvent,
    WarningEvent,
)
from musetalk_fast.planning import Plan
from musetalk_fast.rendering import RenderResult

_MAX_WARNINGS = 20
"""Of a job."""


@dataclass(slots=True)
class _Draft:
    """What the events of a job at work have said."""

    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[tuple[str, str]] = field(default_factory=list)


class ReportKeeper:
    """Follows a batch.

    Args:
        earlier: what the folder's reports know of its videos.
    """

    def __init__(
        self, jobs: Sequence[Job], folder: ReportFolder, earlier: Mapping[Path, JobRecord]
    ) -> None:
        self._folder = folder
        self._began = time.monotonic()
        self._began_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._earlier = {path: each for path, each in earlier.items() if output_files(path)}
        self._jobs = {job.name: job for job in jobs}
        self._records = {job.name: self._record(job, JobState.WAITING) for job in jobs}
        self._drafts: dict[str, _Draft] = {}
        self._servers: dict[str, None] = {}
        self._state = "running"

    @property
    def report(self) -> Report:
        """As things are now."""
        own = {job.output.absolute() for job in self._jobs.values()}
        others = [each for path, each in self._earlier.items() if path not in own]
        return Report(
            self._state,
            self._began_at,
            time.monotonic() - self._began,
            tuple(self._servers),
            tuple(self._records.values()),
            tuple(others),
        )

    def learn(self, others: Mapping[Path, JobRecord]) -> None:
        """What another batch has reported of its videos in the same folder meanwhile."""
        finished = {
            path: each
            for path, each in others.items()
            if each.state in (JobState.DONE, JobState.KEPT) and output_files(path)
        }
        self._earlier = self._earlier | finished

    def begin(self, job: Job) -> None:
        """This job begins."""
        self._drafts[job.name] = _Draft()
        self._records[job.name] = self._record(job, JobState.STOPPED)

    def event(self, job: Job | None, event: Event) -> None:
        """Something happens."""
        if isinstance(event, ServerEvent):
            self._servers[f"{event.url} ({event.engine} {event.model})"] = None
        draft = None if job is None else self._drafts.get(job.name)
        if draft is None:
            return
        if isinstance(event, PlanEvent):
            draft.facts |= {"fps": event.fps, "width": event.width, "height": event.height}
            draft.facts["frames"] = event.frames
        elif isinstance(event, WarningEvent) and len(draft.warnings) < _MAX_WARNINGS:
            draft.warnings.append((event.token, event.message))
        elif isinstance(event, FacelessEvent):
            text = f"{event.frames} of {event.total} source frames have no face"
            draft.warnings.append(("MTF-FACELESS", text))
        elif isinstance(event, DoneEvent):
            draft.facts["mouth"] = event.mouth

    def end(self, outcome: Outcome) -> None:
        """A job is over."""
        job, draft = outcome.job, self._drafts.pop(outcome.job.name, _Draft())
        if outcome.kept is not None:
            record = self._kept(job, outcome.kept)
        else:
            state = JobState.DONE if outcome.error is None else JobState.FAILED
            facts = draft.facts | {"warnings": tuple(draft.warnings)}
            record = replace(self._record(job, state), **facts)
        if outcome.result is not None:
            record = _with_result(record, outcome.result)
        elif outcome.error is not None:
            error = outcome.error
            known = {"token": error.token, "message": error.message}
            record = replace(record, error=known | {"where": error.where, "hint": error.hint})
        self._records[job.name] = record

    def interrupt(self) -> None:
        """The batch is stopped."""
        self._state = "stopped"

    def close(self) -> Report:
        """The batch has ended; its report."""
        if self._state == "running":
            self._state = "done"
        return self.report

    def hashed(self, job: Job, sha256: str) -> None:
        """The hash of an output whose container has no metadata."""
        self._records[job.name] = replace(self._records[job.name], sha256=sha256)

    def _record(self, job: Job, state: JobState) -> JobRecord:
        return JobRecord(
            name=job.name,
            state=state.value,
            avatar=str(job.avatar),
            audio=str(job.audio),
            output=self._folder.named(job.output),
        )

    def _kept(self, job: Job, plan: Plan) -> JobRecord:
        """What the batch that made it knew, else what the plan says."""
        known = self._earlier.get(job.output.absolute())
        facts: dict[str, Any] = {
            "identity": plan.identity,
            "frames": plan.frames,
            "duration_secs": round(float(plan.frames / plan.fps), 3),
            "fps": str(plan.fps),
            "width": plan.width,
            "height": plan.height,
            "bytes": output_bytes(plan.output),
        }
        record = self._record(job, JobState.KEPT)
        if known is not None and known.identity == plan.identity:
            names = ("engine", "model", "sha256", "render_fps", "wall_secs", "stages", "mouth")
            facts |= {name: getattr(known, name) for name in (*names, "warnings")}
        return replace(record, **facts)


def _with_result(record: JobRecord, result: RenderResult) -> JobRecord:
    return replace(
        record,
        identity=result.identity,
        engine=result.engine,
        model=result.model,
        bytes=result.bytes,
        frames=result.frames,
        duration_secs=round(result.duration_secs, 3),
        render_fps=round(result.fps, 1),
        wall_secs=round(result.wall_secs, 3),
        stages={name: round(secs, 3) for name, secs in result.stages.items()},
        mouth=result.mouth,
    )
