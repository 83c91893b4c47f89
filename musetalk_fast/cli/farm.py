"""`farm`: jobs for the engines that render farms run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from musetalk_fast.cli.grouped_help import DescribedArgument, GroupedCommand, GroupedOption
from musetalk_fast.cli.setting_options import rendering_options
from musetalk_fast.cli.settings_loading import load_with_origins
from musetalk_fast.cli.verbosity import verbosity_of, verbosity_options
from musetalk_fast.errors import UsageError

if TYPE_CHECKING:
    from musetalk_fast.config import Settings
    from musetalk_fast.farming import ClipTasks, FarmJob, ListTasks

F = TypeVar("F", bound=Callable[..., Any])

_TARGETS = ("openjd", "slurm", "cuecmd")
_MAX_NAME = 128
"""Of Open Job Description."""
_BRACES = ("{{", "}}")
"""Around the name of a parameter in Open Job Description."""
_FILE = click.Path(path_type=Path, readable=False)
_KEY_LEFT_OUT = (
    "the key of MUSETALK_API_KEY is not in the bundle: set it for the tasks, too, or name a file "
    "that they can read with --api-key-file"
)
_EXAMPLES = """\b
Examples:
  musetalk-fast farm export --to slurm -s http://gpu1:8000 \\
      -i anna.png -a anna.wav -o anna.mp4 --bundle job
  musetalk-fast farm export --to openjd --chunk 4 --serve preview \\
      -i anna.png -a anna.wav -o anna.mp4 --bundle job
  musetalk-fast farm export --to cuecmd -s http://gpu1:8000 \\
      jobs.csv -o rendered --bundle job
"""


@click.group(epilog=_EXAMPLES)
def farm() -> None:
    """Write jobs for the engine that a render farm runs: Open Job Description, Slurm, OpenCue."""


_OPTIONS = (
    click.argument(
        "inputs", cls=DescribedArgument, nargs=-1, type=_FILE, metavar="[INPUTS]...",
        description="Of many videos: folders and lists of jobs, as `batch` takes them.",
    ),
    click.option(
        "--to", cls=GroupedOption, group="Farm", type=click.Choice(_TARGETS), required=True,
        help="openjd (Open Job Description), slurm (sbatch), or cuecmd (OpenCue).",
    ),
    click.option(
        "--bundle", cls=GroupedOption, group="Farm", type=_FILE, required=True, metavar="FOLDER",
        help="Where the job's files go; made if it is not there.",
    ),
    click.option(
        "--chunk", cls=GroupedOption, group="Farm", type=click.IntRange(1, 10_000),
        metavar="NUMBER", help="Share out one video: so many segments a task. Of many videos: so "
        "many a task. Default: a whole video a task.",
    ),
    click.option(
        "--serve", "engine", cls=GroupedOption, group="Farm", metavar="ENGINE",
        help="openjd: each session starts a server of its own with this engine.",
    ),
    click.option(
        "--gpus", cls=GroupedOption, group="Farm", type=click.IntRange(0, 64), default=0,
        metavar="NUMBER", help="GPUs that a task needs (default 0).",
    ),
    click.option(
        "--at-once", cls=GroupedOption, group="Farm", type=click.IntRange(1, 10_000),
        metavar="NUMBER", help="slurm: tasks at work at a time at most.",
    ),
    click.option(
        "--name", cls=GroupedOption, group="Farm", metavar="NAME",
        help="Of the job. Default: that of the output.",
    ),
    click.option(
        "-i", "--avatar", cls=GroupedOption, group="Files", type=_FILE, metavar="FILE",
        help="The avatar, or one avatar for all recordings.",
    ),
    click.option(
        "-a", "--audio", cls=GroupedOption, group="Files", type=_FILE, metavar="FILE",
        help="The recording of one video.",
    ),
    click.option(
        "-o", "--output", cls=GroupedOption, group="Files", type=_FILE, required=True,
        metavar="FILE", help="The video, or of many the folder.",
    ),
    click.option(
        "-r", "--recursive", cls=GroupedOption, group="Files", is_flag=True,
        help="Look into the folders of a folder, too.",
    ),
)  # fmt: skip


def _export_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@farm.command(cls=GroupedCommand, short_help="Write a job's files.")
@_export_options
@rendering_options
@verbosity_options
@click.pass_context
def export(
    ctx: click.Context,
    /,
    to: str,
    bundle: Path,
    engine: str | None,
    gpus: int,
    at_once: int | None,
    name: str | None,
    output: Path,
    **files: Any,
) -> None:
    """Check the inputs and write a folder with the job's files; nothing is rendered or submitted.

    Every task is one command: its exit code says how it ended, a signal stops it, and the same one
    again goes on from there. Finished parts, and finished videos of many, stay; one video that is
    made as a whole is made again. The settings of this command go into the bundle, but no key: name
    its file with --api-key-file.
    """
    from musetalk_fast.cli.display_selection import open_display
    from musetalk_fast.events import WarningEvent
    from musetalk_fast.farming import FarmOptions, portable_settings, write_bundle

    loaded = load_with_origins(ctx)
    settings = loaded.settings
    _check_target(to, engine, at_once)
    name = _checked_name(name or output.name)
    with open_display(verbosity_of(ctx)) as display:
        job = _job(settings, output.absolute(), **files)
        options = FarmOptions(name, engine, gpus, at_once)
        if settings.server.api_key is not None:
            display(WarningEvent(message=_KEY_LEFT_OUT, token="MTF-KEY-LEFT-OUT"))
        if settings.server.url is None and engine is None:
            display(WarningEvent(message=_no_server(job), token="MTF-NO-SERVER"))
        text = portable_settings(loaded)
        paths = write_bundle(bundle, to, job, options, text)
        tasks = -(-len(job.tasks) // job.chunk)
        members = {"bundle": str(bundle), "files": [path.name for path in paths], "tasks": tasks}
        display.result("exported", members, _text(bundle, [path.name for path in paths], tasks))


def _no_server(job: FarmJob) -> str:
    """What becomes of tasks for which no server is named: only a whole video falls back."""
    from musetalk_fast.config import DEFAULT_SERVER
    from musetalk_fast.farming import ClipTasks

    is_whole = isinstance(job, ClipTasks) and job.segments is None
    otherwise = "makes a preview" if is_whole else "fails"
    return (
        f"no server is named: each task asks {DEFAULT_SERVER} on its own machine and {otherwise} "
        "where none answers; give -s"
    )


def _text(bundle: Path, names: list[str], tasks: int) -> str:
    return f"Bundle: {bundle} ({tasks} task{'s' * (tasks != 1)}; {', '.join(names)})"


def _checked_name(name: str) -> str:
    """A name that no engine takes for anything else: one line, no place for a parameter."""
    is_text = name.isprintable() and not any(each in name for each in _BRACES)
    if not is_text or not 1 <= len(name) <= _MAX_NAME:
        raise UsageError(
            f"{name[:80]!r} cannot be a job's name",
            hint=f"give --name: 1 to {_MAX_NAME} printable characters without "
            + " or ".join(_BRACES),
        )
    return name


def _check_target(to: str, engine: str | None, at_once: int | None) -> None:
    if engine is not None and to != "openjd":
        raise UsageError(
            f"--serve is not for {to}", hint="start servers beside it and name them with -s"
        )
    if at_once is not None and to != "slurm":
        raise UsageError(f"--at-once is not for {to}", hint="set the limit in the farm")


def _job(
    settings: Settings,
    output: Path,
    *,
    inputs: tuple[Path, ...],
    avatar: Path | None,
    audio: Path | None,
    chunk: int | None,
    recursive: bool,
) -> FarmJob:
    if bool(inputs) == (audio is not None):
        raise UsageError("give INPUTS of many videos, or -a/--audio of one")
    if audio is None:
        return _many(settings, inputs, output, avatar, chunk or 1, recursive=recursive)
    if avatar is None:
        raise UsageError("missing -i/--avatar: the avatar of the video")
    return _one(settings, avatar.absolute(), audio.absolute(), output, chunk)


def _one(
    settings: Settings, avatar: Path, audio: Path, output: Path, chunk: int | None
) -> ClipTasks:
    from musetalk_fast.cli.signals import run_blocking
    from musetalk_fast.farming import ClipTasks
    from musetalk_fast.planning import make_plan

    plan = run_blocking(lambda: make_plan(avatar, audio, output, settings))
    if chunk is None:
        return ClipTasks(avatar, audio, plan.output, plan.place)
    return ClipTasks(avatar, audio, plan.output, plan.place, len(plan.segments), chunk)


def _many(
    settings: Settings,
    inputs: tuple[Path, ...],
    output: Path,
    avatar: Path | None,
    chunk: int,
    *,
    recursive: bool,
) -> ListTasks:
    from musetalk_fast.batching import JobListDefaults, collect_jobs
    from musetalk_fast.farming import ListTasks

    defaults = JobListDefaults(settings, output, avatar, fresh=False)
    found = collect_jobs([str(path) for path in inputs], defaults, recursive=recursive)
    shards = -(-len(found.jobs) // chunk)
    shared = None if avatar is None else avatar.absolute()
    paths = tuple(path.absolute() for path in inputs)
    return ListTasks(paths, output, shards, shared, recursive)
