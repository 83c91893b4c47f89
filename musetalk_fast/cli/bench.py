"""`bench`: measures where the time of a frame goes on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musetalk_fast.cli.grouped_help import GroupedCommand, GroupedOption
from musetalk_fast.cli.setting_options import encoding_options
from musetalk_fast.cli.settings_loading import load
from musetalk_fast.cli.verbosity import json_option, verbosity_of

if TYPE_CHECKING:
    from musetalk_fast.benching import Bench, Stage


_EXAMPLES = """\b
Examples:
  musetalk-fast bench
  musetalk-fast bench -i anna.png --codec hevc --preset medium
"""


@click.command(cls=GroupedCommand, epilog=_EXAMPLES, short_help="Show where a frame's time goes.")
@click.option(
    "-i", "--avatar", "avatar", cls=GroupedOption, group="Files",
    type=click.Path(path_type=Path, readable=False), metavar="FILE",
    help="An avatar. Default: a made-up one.",
)  # fmt: skip
@encoding_options
@json_option(
    "One object on stdout: given, encoder (words); encoders, threads of each; stages: name, us, "
    "mb_s, share or null; fps."
)
@click.pass_context
def bench(ctx: click.Context, avatar: Path | None) -> None:
    """Measure every stage of a frame by itself, from a socket to a finished part.

    Microseconds are of one thread: the event loop's for `receive`, an encoder's for the others.
    A stage without a share is part of another, or only of renders that ask for it (with --wire or
    --frame-encoding). No server is asked and nothing is kept. The last line says how fast a render
    is if its server is no slower.
    """
    from musetalk_fast.benching import run_bench
    from musetalk_fast.cli.display_selection import open_display
    from musetalk_fast.cli.signals import unwind_on_signals

    settings = load(ctx)
    unwind_on_signals()
    with open_display(verbosity_of(ctx)) as display:
        result = run_bench(avatar, settings)
        display.result("bench", asdict(result), _table(result))


def _table(result: Bench) -> str:
    lines = [
        f"{result.given}; {result.encoder}",
        "",
        f"{'stage':<15} {'us/frame':>10} {'MB/s':>8} {'share':>7}",
        *map(_line, result.stages),
        "",
        f"{result.fps:.0f} frames a second with {_concurrency(result)}",
    ]
    return "\n".join(lines)


def _concurrency(result: Bench) -> str:
    encoders, threads = result.encoders, result.threads
    return f"{encoders} {_noun('encoder', encoders)} of {threads} {_noun('thread', threads)}"


def _noun(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _line(stage: Stage) -> str:
    share = "" if stage.share is None else f"{stage.share:.1%}"
    return f"{stage.name:<15} {stage.us:>10.1f} {stage.mb_s:>8.0f} {share:>7}".rstrip()
