"""What `batch --dry-run` lists: each job's faces, size, frames, and how long it may take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from musetalk_fast.cli.error_report import describe
from musetalk_fast.cli.formatting import duration, faces_text
from musetalk_fast.events import FacesEvent, WarningEvent

if TYPE_CHECKING:
    from musetalk_fast.batching import Job, Planned
    from musetalk_fast.cli.batch_display import BatchDisplay
    from musetalk_fast.events import Event

_HEADINGS = ("job", "faces", "size", "fps", "frames", "length", "time", "output")


class DryRun:
    """Plans the jobs and lists them.

    Args:
        pace: frames a second that an earlier batch came to; None: not known.
    """

    def __init__(self, display: BatchDisplay, jobs: Sequence[Job], pace: float | None) -> None:
        self._display = display
        self._pace = pace
        self._jobs = jobs
        self._faces: dict[str, FacesEvent] = {}
        self._planned: list[Planned] = []

    def plan(self) -> None:
        """Plan all jobs; warnings are shown as they come."""
        from musetalk_fast.batching import plan_all

        for planned in plan_all(self._jobs, self._listen):
            self._planned.append(planned)
            if planned.error is not None:
                self._display.fail(planned.job.name, planned.error)

    def show(self) -> int:
        """The table; 1 if some of the jobs cannot be made."""
        failed = sum(each.error is not None for each in self._planned)
        rows = [self._row(each) for each in self._planned if each.plan is not None]
        lines = _aligned([_HEADINGS, *rows]) if rows else []
        lines.append(f"{len(rows)} planned, {failed} failed; {self._total()}")
        members = {
            "planned": len(rows),
            "failed": failed,
            "jobs": [self._members(each) for each in self._planned],
        }
        self._display.result("summary", members, "\n".join(lines))
        return 1 if failed else 0

    def _listen(self, job: Job, event: Event) -> None:
        if isinstance(event, FacesEvent):
            self._faces[job.name] = event
        if isinstance(event, WarningEvent | FacesEvent):
            self._display.show(job.name, event)

    def _row(self, planned: Planned) -> tuple[str, ...]:
        plan, job = planned.plan, planned.job
        assert plan is not None
        faces = self._faces.get(job.name)
        return (
            job.name,
            "not looked for" if faces is None else faces_text(faces),
            f"{plan.width}x{plan.height}",
            str(plan.fps),
            str(plan.frames),
            duration(float(plan.frames / plan.fps)),
            "?" if self._pace is None else duration(plan.frames / self._pace),
            str(job.output),
        )

    def _members(self, planned: Planned) -> dict[str, object]:
        from musetalk_fast.cli.plan_table import plan_members

        name = {"name": planned.job.name}
        if planned.plan is None:
            assert planned.error is not None
            return {**name, "state": "failed", "error": describe(planned.error)}
        faces = self._faces.get(planned.job.name)
        count = None if faces is None else len(faces.faces)
        secs = None if self._pace is None else round(planned.plan.frames / self._pace, 1)
        about = {"faces": count, "estimated_secs": secs}
        return {**name, "state": "planned", **about, **plan_members(planned.plan)}

    def _total(self) -> str:
        plans = [each.plan for each in self._planned if each.plan is not None]
        frames = sum(plan.frames for plan in plans)
        secs = float(sum(plan.frames / plan.fps for plan in plans))
        total = f"{frames} frames, {duration(secs)} of video"
        if self._pace is None:
            return f"{total}; no estimate of the time: no earlier batch has its report here"
        return (
            f"{total}, about {duration(frames / self._pace)} at the pace of the last batch here "
            f"({self._pace:.0f} frames a second)"
        )


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
