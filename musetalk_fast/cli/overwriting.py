"""Asks on a terminal whether existing files may be replaced."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from musetalk_fast.cli.settings_loading import is_chosen
from musetalk_fast.cli.verbosity import verbosity_of
from musetalk_fast.errors import OutputExistsError
from musetalk_fast.video.frame_names import FrameNames
from musetalk_fast.video.sequence_folder import MARKER


def ask_before_replacing(
    ctx: click.Context,
    outputs: Sequence[Path],
    is_expected: Callable[[Path], bool] = lambda _output: False,
) -> None:
    """Ask once, unless the user has said it already with a flag, a variable or the file.

    Args:
        is_expected: whether nobody needs to be asked about an output that is there.

    Raises:
        errors.OutputExistsError: the answer is no.
    """
    there = [output for output in outputs if _is_there(output)]
    if not there or is_chosen(ctx, "output", "overwrite") or not _can_ask(ctx):
        return
    there = [output for output in there if not is_expected(output)]
    if not there:
        return
    named = str(there[0]) if len(there) == 1 else f"{len(there)} of {len(outputs)} videos"
    exist = "exists" if len(there) == 1 else "exist"
    click.echo(f"{named} {exist}. Replace? [y/N] ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise OutputExistsError(
            f"{'this file exists' if len(there) == 1 else 'they exist'} and shall stay",
            where=str(there[0] if len(outputs) == 1 else there[0].parent),
            hint="give another name; -y replaces without asking",
        )


def _is_there(output: Path) -> bool:
    try:
        is_sequence = FrameNames.parse(output.name) is not None
        return output.is_file() or (is_sequence and (output.parent / MARKER).is_file())
    except (OSError, ValueError):  # the name is too long, for one: the render says what is wrong
        return False


def _can_ask(ctx: click.Context) -> bool:
    """Whether a person is at the terminal: a program reads JSON."""
    streams = (sys.stdin, sys.stderr)
    is_terminal = all(stream is not None and stream.isatty() for stream in streams)
    return is_terminal and not verbosity_of(ctx).json
