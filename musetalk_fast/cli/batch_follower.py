"""Passes a batch on to its display and its report, and sums it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from musetalk_fast.batching import ReportKeeper
from musetalk_fast.batching.report_writer import ReportWriter
from musetalk_fast.cli.formatting import duration

if TYPE_CHECKING:
    from musetalk_fast.batching import Job, Outcome, ReportFolder
    from musetalk_fast.batching.report import JobRecord, Report
    from musetalk_fast.cli.batch_display import BatchDisplay
    from musetalk_fast.events import Event

_WORDS = {
    "done": "done",
    "kept": "there already",
    "failed": "failed",
    "stopped": "stopped",
    "waiting": "not begun",
}


class BatchFollower:
    """Follows a batch as `BatchListener` has it; a context that ends with the last report."""

    def __init__(
        self,
        display: BatchDisplay,
        jobs: Sequence[Job],
        place: ReportFolder,
        earlier: Mapping[Path, JobRecord],
    ) -> None:
        self._display = display
        self._place = place
        self._jobs = {job.name: job for job in jobs}
        self._keeper = ReportKeeper(jobs, place, earlier)
        self._writer: ReportWriter | None = None
        self._is_stopped = False

    def __enter__(self) -> BatchFollower:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None and not self._is_stopped:
            self._writer.close()

    def begin(self, job: Job) -> None:
        """This job begins; with the first one the report does: its folder is there."""
        if self._writer is None:
            self._writer = ReportWriter(self._keeper, self._place)
            for path in self._writer.foreign:
                message = (
                    f"{path} is no report of a batch: it stays, and no report is written there"
                )
                self._display.warn(message, "MTF-REPORT-FOREIGN")
        self._keeper.begin(job)
        self._display.begin(job)

    def event(self, job: Job | None, event: Event) -> None:
        """Something happens."""
        self._keeper.event(job, event)
        self._display.event(job, event)

    def end(self, outcome: Outcome) -> None:
        """A job is over."""
        self._keeper.end(outcome)
        self._display.end(outcome)
        if outcome.error is None and self._writer is not None:
            self._writer.look_at(outcome.job)

    def interrupt(self) -> None:
        """The batch is stopped: what there is to say is said at once, before threads have ended."""
        self._display.interrupt()
        self._keeper.interrupt()
        if self._writer is not None:
            self._is_stopped = True
            self._writer.close(in_haste=True)

    def summarise(self) -> int:
        """Say what became of the jobs; the exit code."""
        report = self._keeper.close()
        failed = [job for job in report.jobs if job.state == "failed"]
        page = None if self._writer is None else self._writer.page
        if self._writer is not None and self._writer.error is not None:
            error = self._writer.error
            self._display.warn(f"the report is not written: {error}", error.token)
        place = None if page is None else str(page)
        members = {**report.counts(), "report": place, "jobs": _rows(report)}
        self._display.result("summary", members, "\n".join(self._lines(report, failed, place)))
        return 1 if failed else 0

    def _lines(self, report: Report, failed: Sequence[JobRecord], place: str | None) -> list[str]:
        wide = max((len(job.name) for job in failed), default=0)
        lines = [f"  {job.name:<{wide}}  {_reason(job)}" for job in failed]
        if failed:
            lines.insert(0, f"{len(failed)} failed:")
        total = ", ".join(f"{count} {_WORDS[state]}" for state, count in report.counts().items())
        shown = "" if place is None else f"; report: {place}"
        lines.append(f"{total} in {duration(report.wall_secs)}{shown}")
        return lines


def _rows(report: Report) -> list[dict[str, Any]]:
    return [
        {"name": job.name, "state": job.state, "output": job.output, "reason": _reason(job)}
        for job in report.jobs
    ]


def _reason(job: JobRecord) -> str | None:
    """Why a job failed; None of others."""
    return None if job.error is None else f"{job.error['message']} ({job.error['token']})"
