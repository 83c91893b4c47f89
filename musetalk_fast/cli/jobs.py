"""`jobs`: lists the requests that servers are working on, and cancels one."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import click

from musetalk_fast.cli.grouped_help import GroupedCommand, GroupedOption
from musetalk_fast.cli.json_lines import json_line
from musetalk_fast.cli.setting_options import connecting_options
from musetalk_fast.cli.settings_loading import load
from musetalk_fast.cli.verbosity import json_option, verbosity_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musetalk_fast.config import ServerSettings
    from musetalk_fast.wire.job_state import JobState

_HEADINGS = ("JOB", "USER", "WHAT", "STAGE", "DONE", "WAITING", "UNSENT", "FOR", "AVATAR", "AUDIO")
_SHOWN_DIGITS = 8
_ID_DIGITS = 16

_EXAMPLES = """\b
Examples:
  musetalk-fast jobs
  musetalk-fast jobs -s http://gpu:8000 --api-key-file key.txt
  musetalk-fast jobs --cancel 5f0c3a9e81d2b764
"""


def _job_id(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> Any:
    for value in values:
        if len(value) != _ID_DIGITS or not set(value) <= set(string.hexdigits.lower()):
            raise click.BadParameter(f"{value!r} is no job: `musetalk-fast jobs` lists them")
    return values


@click.command(
    cls=GroupedCommand, epilog=_EXAMPLES, short_help="List or cancel the jobs of servers."
)
@click.option(
    "--cancel", "cancelled", cls=GroupedOption, group="Jobs", multiple=True, metavar="JOB",
    callback=_job_id, help="End this job; may be given several times.",
)  # fmt: skip
@connecting_options
@json_option("One JSON object on stdout: jobs, or with --cancel: cancelled.")
@click.pass_context
def jobs(ctx: click.Context, cancelled: tuple[str, ...]) -> None:
    """List the streams and preparations of a server, or end some of them.

    A key sees and ends its own jobs, one with `admin = true` those of all. Whoever waits for a job
    that is ended gets MTF-JOB-CANCELLED and does not ask this server again in that render.
    """
    from musetalk_fast.cli.signals import run

    settings = load(ctx).server
    is_json = verbosity_of(ctx).json
    if cancelled:
        run(cancel_jobs(settings, cancelled))
        click.echo(json_line({"cancelled": list(cancelled)}) if is_json else "cancelled")
        return
    found = run(find_jobs(settings))
    if is_json:
        each = [{"server": url, **state.to_json()} for url, those in found for state in those]
        click.echo(json_line({"jobs": each}))
        return
    for url, those in found:
        click.echo("\n".join([*([f"{url}:"] if len(found) > 1 else []), *job_table(those)]))


def _urls(settings: ServerSettings) -> tuple[str, ...]:
    from musetalk_fast.config import BUILTIN, DEFAULT_SERVER
    from musetalk_fast.errors import UsageError

    urls = settings.url or (DEFAULT_SERVER,)
    if BUILTIN in urls:
        raise UsageError("the built-in server works for one render: it has no list of jobs")
    return tuple(urls)


async def find_jobs(settings: ServerSettings) -> list[tuple[str, tuple[JobState, ...]]]:
    """The jobs of each server.

    Raises:
        errors.MuseTalkError: a server cannot be asked.
    """
    from musetalk_fast.client.jobs import connect, list_jobs

    found = []
    for url in _urls(settings):
        async with await connect(url, settings) as connection:
            found.append((url, await list_jobs(connection)))
    return found


async def cancel_jobs(settings: ServerSettings, wanted: Sequence[str]) -> None:
    """Cancel jobs, each on the server that has it.

    Raises:
        errors.UsageError: no server has one of them.
        errors.MuseTalkError: a server cannot be asked.
    """
    from musetalk_fast.client.jobs import cancel_job, connect
    from musetalk_fast.errors import UsageError

    left = list(wanted)
    for url in _urls(settings):
        async with await connect(url, settings) as connection:
            left = [each for each in left if not await cancel_job(connection, each)]
    if left:
        raise UsageError(
            f"there is no job {', '.join(left)}",
            hint="it has ended, or is another key's: `musetalk-fast jobs` lists those that you may "
            "see",
        )


def job_table(states: Sequence[JobState]) -> list[str]:
    """A line for each job, below its headings."""
    if not states:
        return ["no jobs"]
    rows = [_HEADINGS, *map(_row, states)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(state: JobState) -> tuple[str, ...]:
    from musetalk_fast.cli.formatting import duration

    return (
        state.id,
        state.user,
        state.kind,
        state.stage,
        f"{state.done}/{state.total}" if state.total else "-",
        str(state.waiting),
        str(state.unsent),
        duration(state.running_secs),
        (state.avatar or "-")[:_SHOWN_DIGITS],
        (state.audio or "-")[:_SHOWN_DIGITS],
    )
