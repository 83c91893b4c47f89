"""`batch`: a folder of avatars and recordings, one server for all."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musetalk_fast.cli.overwriting import ask_before_replacing
from musetalk_fast.cli.setting_options import (
    DescribedArgument,
    GroupedCommand,
    GroupedOption,
    load,
    rendering_options,
)
from musetalk_fast.cli.verbosity import verbosity_of, verbosity_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musetalk_fast.batching import Job, Outcome, Pairing
    from musetalk_fast.cli.display import Display
    from musetalk_fast.events import DoneEvent, Event, FacesEvent
    from musetalk_fast.planning import Plan
    from musetalk_fast.rendering import RenderResult

_EXAMPLES = """\b
Examples:
  musetalk-fast batch clips -s http://gpu:8000 -o rendered
  musetalk-fast batch recordings -s builtin --avatar anna.png -o rendered
"""

_FOLDER = click.Path(path_type=Path, readable=False)


@click.command(
    cls=GroupedCommand, epilog=_EXAMPLES, short_help="Make a video for each recording in a folder."
)
@click.argument(
    "inputs", cls=DescribedArgument, type=_FOLDER,
    description="A folder of avatars and recordings: anna.png and anna.wav make anna.mp4.",
)  # fmt: skip
@click.option(
    "-o", "--output", "outputs", cls=GroupedOption, group="Files", type=_FOLDER, required=True,
    metavar="FOLDER", help="Where the videos go. The folder is made if it is not there.",
)  # fmt: skip
@click.option(
    "-i", "--avatar", "avatar", cls=GroupedOption, group="Files", type=_FOLDER,
    metavar="FILE", help="One avatar for all recordings; then INPUTS needs no pictures.",
)  # fmt: skip
@rendering_options
@click.option("-n", "--dry-run", is_flag=True, help="Check all inputs, list the jobs, stop.")
@verbosity_options
@click.pass_context
def batch(
    ctx: click.Context, inputs: Path, outputs: Path, avatar: Path | None, dry_run: bool
) -> int:
    """Make a video for each avatar and recording of the same base name in a folder.

    The servers chosen with -s make all of them, or the default one, http://localhost:8000; without
    a server nothing is made. A job that fails does not stop the others; the exit code is then 1.
    Videos that are there are replaced: on a terminal you are asked first, unless you give -y; with
    --no-overwrite they fail.
    """
    from musetalk_fast.batching import pair, plan_all, render_all
    from musetalk_fast.cli.display_selection import open_display
    from musetalk_fast.cli.signals import run, run_blocking

    settings = load(ctx)
    pairing = pair(inputs, outputs, f".{settings.output.format or 'mp4'}", avatar)
    if not dry_run:
        ask_before_replacing(ctx, [job.output for job in pairing.jobs])
    with open_display(verbosity_of(ctx)) as display:
        _warn_left_over(pairing, display)
        if dry_run:
            listener = _PlanListener(display, pairing.jobs)
            return listener.show(run_blocking(lambda: plan_all(pairing.jobs, settings, listener)))
        following = _BatchListener(display, len(pairing.jobs))
        run(render_all(pairing.jobs, settings, following))
        return following.summarise()


class _BatchListener:
    """Passes a batch on to a display, and keeps what the summary needs."""

    def __init__(self, display: Display, jobs: int) -> None:
        self._display = display
        self._jobs = jobs
        self._began = time.monotonic()
        self._done: DoneEvent | None = None
        self._rows: list[tuple[str, str, str]] = []

    def begin(self, job: Job) -> None:
        self._done = None
        self._display.begin(job.name, len(self._rows) + 1, self._jobs)

    def event(self, event: Event) -> None:
        from musetalk_fast.events import DoneEvent

        if isinstance(event, DoneEvent):
            self._done = event
        self._display(event)

    def end(self, outcome: Outcome[RenderResult]) -> None:
        from musetalk_fast.cli.formatting import job_line

        if outcome.error is None and self._done is not None:
            self._rows.append((outcome.job.name, "done", job_line(self._done)))
        else:
            self._rows.append(_failed(outcome, self._display))

    def summarise(self) -> int:
        from musetalk_fast.cli.formatting import duration

        took = f"in {duration(time.monotonic() - self._began)}"
        return _summarise(self._rows, "done", self._display, took)


def _warn_left_over(pairing: Pairing, display: Display) -> None:
    from musetalk_fast.events import WarningEvent

    for reason in pairing.left_over:
        display(WarningEvent(message=reason, token="MTF-LEFT-OVER"))


class _PlanListener:
    """Passes on what the plans of a batch warn of, and lists them with their faces."""

    def __init__(self, display: Display, jobs: Sequence[Job]) -> None:
        self._display = display
        self._jobs = jobs
        self._named = ""
        self._faces: dict[str, FacesEvent] = {}

    def __call__(self, job: Job, event: Event) -> None:
        from musetalk_fast.events import FacesEvent, WarningEvent

        if isinstance(event, FacesEvent):
            self._faces[job.name] = event
        if isinstance(event, WarningEvent) or (
            isinstance(event, FacesEvent) and len(event.faces) > 1
        ):
            self._begin(job)
            self._display(event)

    def show(self, outcomes: Sequence[Outcome[Plan]]) -> int:
        rows = []
        for outcome in outcomes:
            plan = outcome.result
            if plan is None:
                self._begin(outcome.job)
                rows.append(_failed(outcome, self._display))
            else:
                text = f"{outcome.job.output.name} ({self._facts(outcome.job, plan)})"
                rows.append((outcome.job.name, "planned", text))
        return _summarise(rows, "planned", self._display, "")

    def _begin(self, job: Job) -> None:
        if self._named != job.name:
            self._named = job.name
            self._display.begin(job.name, self._jobs.index(job) + 1, len(self._jobs))

    def _facts(self, job: Job, plan: Plan) -> str:
        from musetalk_fast.cli.formatting import faces_text, frame_count

        facts = f"{frame_count(plan.frames)} at {plan.fps} fps, {plan.width}x{plan.height}"
        faces = self._faces.get(job.name)
        return facts if faces is None else f"{facts}; faces: {faces_text(faces)}"


def _failed(
    outcome: Outcome[RenderResult] | Outcome[Plan], display: Display
) -> tuple[str, str, str]:
    from musetalk_fast.cli.error_report import describe

    assert outcome.error is not None
    known = describe(outcome.error)
    display.failed(known)
    return outcome.job.name, "failed", f"{known['message']} ({known['token']})"


def _summarise(rows: Sequence[tuple[str, str, str]], good: str, display: Display, took: str) -> int:
    bad = sum(state == "failed" for _, state, _ in rows)
    counts = {good: len(rows) - bad, "failed": bad}
    jobs = [{"name": name, "state": state, "detail": detail} for name, state, detail in rows]
    wide = max(len(name) for name, _, _ in rows)
    lines = [f"{name:<{wide}}  {state:<7}  {detail}" for name, state, detail in rows]
    total = ", ".join(f"{count} {name}" for name, count in counts.items())
    lines.append(f"{total} {took}".rstrip())
    display.result("summary", {**counts, "jobs": jobs}, "\n".join(lines))
    return 1 if bad else 0
