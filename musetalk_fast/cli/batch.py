"""`batch`: many avatars and recordings, one set of servers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from musetalk_fast.cli.batch_place import ClusterAddress, render_with
from musetalk_fast.cli.grouped_help import DescribedArgument, GroupedCommand, GroupedOption
from musetalk_fast.cli.overwriting import ask_before_replacing
from musetalk_fast.cli.setting_options import rendering_options
from musetalk_fast.cli.settings_loading import load
from musetalk_fast.cli.verbosity import verbosity_of, verbosity_options

if TYPE_CHECKING:
    from musetalk_fast.batching import Job, ReportFolder
    from musetalk_fast.cli.batch_place import Render

_EXAMPLES = """\b
Examples:
  musetalk-fast batch clips -s http://gpu:8000 -o rendered
  musetalk-fast batch recordings -s builtin --avatar anna.png -o rendered
  musetalk-fast batch 'day*/**/*.wav' --avatar anna.png -o rendered
  musetalk-fast batch jobs.csv -o rendered --dry-run
  musetalk-fast batch jobs.jsonl -o /shared/rendered --shard 1/4
  musetalk-fast batch jobs.jsonl -o /shared/rendered --on ray --serve musetalk
"""

F = TypeVar("F", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path, readable=False)


class _Shard(click.ParamType):  # type: ignore[type-arg]
    """`2/5`: the second of five."""

    name = "I/N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        number, _, count = str(value).partition("/")
        if number.isascii() and count.isascii() and number.isdigit() and count.isdigit():
            shard = int(number), int(count)
            if 1 <= shard[0] <= shard[1]:
                return shard
        message = f"{value!r} is not I/N with I from 1 to N, such as 2/5"
        raise click.BadParameter(message, ctx=ctx, param=param)


_OPTIONS = (
    click.argument(
        "inputs", cls=DescribedArgument, nargs=-1, required=True, metavar="INPUTS...",
        description="Folders, files and 'patterns' of avatars and recordings: anna.png and "
        "anna.wav make anna.mp4. Or lists of jobs: .jsonl, .csv, .toml.",
    ),
    click.option(
        "-o", "--output", "outputs", cls=GroupedOption, group="Files", type=_PATH,
        metavar="FOLDER", help="Where the videos go. The folder is made if it is not there. "
        "Default for job lists: where the list is.",
    ),
    click.option(
        "-i", "--avatar", "avatar", cls=GroupedOption, group="Files", type=_PATH,
        metavar="FILE", help="One avatar for all recordings; then INPUTS needs no pictures.",
    ),
    click.option(
        "-r", "--recursive", cls=GroupedOption, group="Files", is_flag=True,
        help="Look into the folders of a folder, too; the videos get the same folders.",
    ),
    click.option(
        "--only", cls=GroupedOption, group="Jobs", multiple=True, metavar="NAME",
        help="The jobs of this name or pattern ('take*'); may be given several times.",
    ),
    click.option(
        "--shard", cls=GroupedOption, group="Jobs", type=_Shard(), metavar="I/N",
        help="Every N-th job from the I-th on, for N machines that share the work.",
    ),
    click.option(
        "--limit", cls=GroupedOption, group="Jobs", type=click.IntRange(1), metavar="NUMBER",
        help="The first so many jobs.",
    ),
    click.option(
        "-j", "--jobs", "at_once", cls=GroupedOption, group="Jobs", type=click.IntRange(1, 64),
        metavar="NUMBER", help="Jobs at work at a time. Default: by processors and servers.",
    ),
    click.option(
        "--on", "cluster", cls=GroupedOption, group="Cluster", type=ClusterAddress(),
        metavar="ray[://HOST:PORT]", help="Make the videos on a Ray cluster: that of RAY_ADDRESS "
        "or of this machine, or the one at this address. All nodes need the same folders.",
    ),
    click.option(
        "--serve", "engine", cls=GroupedOption, group="Cluster", metavar="ENGINE",
        help="Have the cluster run servers with this engine: one for each `musetalk` of its "
        "resources, which are to be its GPUs.",
    ),
    click.option(
        "--fail-fast", cls=GroupedOption, group="Jobs", is_flag=True,
        help="Stop at the first job that fails.",
    ),
    click.option(
        "--fresh", cls=GroupedOption, group="Jobs", is_flag=True,
        help="Make all videos again, those that are finished, too.",
    ),
)  # fmt: skip


def _batch_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(cls=GroupedCommand, epilog=_EXAMPLES, short_help="Make many videos.")
@_batch_options
@rendering_options
@click.option("-n", "--dry-run", is_flag=True, help="Check all inputs, list the jobs, stop.")
@verbosity_options
@click.pass_context
def batch(
    ctx: click.Context,
    inputs: tuple[str, ...],
    outputs: Path | None,
    avatar: Path | None,
    recursive: bool,
    only: tuple[str, ...],
    shard: tuple[int, int] | None,
    limit: int | None,
    at_once: int | None,
    cluster: str | None,
    engine: str | None,
    fail_fast: bool,
    fresh: bool,
    dry_run: bool,
) -> int:
    """Make a video for each avatar and recording of the same base name, or for each job of a list.

    Videos that are finished are left alone: the same command again makes what is missing or has
    changed, and continues what was interrupted. A job that fails does not stop the others; the
    exit code is then 1. The servers chosen with -s make all of them, or the default one,
    http://localhost:8000; without a server nothing is made. FOLDER/report.html shows the results.
    """
    from musetalk_fast.batching import (
        BatchOptions,
        JobListDefaults,
        ReportFolder,
        Selection,
        collect_jobs,
    )

    settings = load(ctx)
    renders = render_with(cluster, engine, settings)
    defaults = JobListDefaults(settings, outputs, avatar, fresh)
    found = collect_jobs(inputs, defaults, recursive=recursive)
    jobs = Selection(only, shard, limit).of(found.jobs)
    # Without -o there are only lists.
    place = ReportFolder(outputs or Path(inputs[0]).parent, shard)
    if dry_run:
        return _list_jobs(ctx, jobs, found.left_over, place)
    options = BatchOptions(at_once, fail_fast)
    return _render(ctx, jobs, found.left_over, place, partial(renders, options=options))


def _list_jobs(
    ctx: click.Context, jobs: tuple[Job, ...], left_over: tuple[str, ...], place: ReportFolder
) -> int:
    from musetalk_fast.cli.batch_display_selection import open_batch_display
    from musetalk_fast.cli.dry_run import DryRun
    from musetalk_fast.cli.signals import run_blocking

    with open_batch_display(verbosity_of(ctx), len(jobs)) as display:
        for reason in left_over:
            display.warn(reason, "MTF-LEFT-OVER")
        dry_run = DryRun(display, jobs, place.pace())
        run_blocking(dry_run.plan)
        return dry_run.show()


def _render(
    ctx: click.Context,
    jobs: tuple[Job, ...],
    left_over: tuple[str, ...],
    place: ReportFolder,
    render: Render,
) -> int:
    from musetalk_fast.cli.batch_display_selection import open_batch_display
    from musetalk_fast.cli.batch_follower import BatchFollower
    from musetalk_fast.cli.signals import run
    from musetalk_fast.video.provenance import is_ours

    earlier = place.records()
    ask_before_replacing(
        ctx,
        [job.output for job in jobs],
        lambda output: output.absolute() in earlier or is_ours(output),
    )
    with open_batch_display(verbosity_of(ctx), len(jobs)) as display:
        for reason in left_over:
            display.warn(reason, "MTF-LEFT-OVER")
        with BatchFollower(display, jobs, place, earlier) as follower:
            run(render(jobs, follower, earlier))
        return follower.summarise()
