"""How much a command prints, and the options for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Verbosity:
    """How much a run prints, and in which form.

    Attributes:
        json: one object per line on stdout, and nothing else.
        quiet: nothing but errors.
        plain: lines, also on a terminal.
        openjd: lines, among them those that Open Job Description reads progress from.
        verbose: more than usual; a traceback for unexpected errors.
    """

    def __init__(self) -> None:
        self.json = False
        self.quiet = False
        self.plain = False
        self.openjd = False
        self.verbose = False


def verbosity_of(ctx: click.Context) -> Verbosity:
    """The run's verbosity."""
    return ctx.ensure_object(Verbosity)


def json_option(help_text: str) -> Callable[[F], F]:
    """`--json`."""
    return click.option(
        "--json", "json", is_flag=True, is_eager=True, expose_value=False,
        callback=_set, help=help_text,
    )  # fmt: skip


_PROGRESS = {"json": "json", "none": "quiet", "openjd": "openjd", "plain": "plain"}
"""The forms of `--progress`, with the attribute that each sets."""


def verbosity_options(command: F) -> F:
    """`-q`, `-v`, `--json` and `--progress`."""
    command = click.option(
        "--progress", type=click.Choice(sorted(_PROGRESS)), is_eager=True, expose_value=False,
        envvar="MUSETALK_PROGRESS", callback=_set_progress,
        help="Form of what is shown: plain lines, json (as --json), none (as -q), or openjd "
        "(openjd_progress: and openjd_status: lines). Default: bars on a terminal, else plain.",
    )(command)  # fmt: skip
    command = json_option("One JSON object per line on stdout, for programs.")(command)
    for flags, name, help_text in (
        (("-v", "--verbose"), "verbose", "Say more: wire, encoder, where the time went."),
        (("-q", "--quiet"), "quiet", "Say nothing but errors."),
    ):
        command = click.option(
            *flags, name, is_flag=True, is_eager=True, expose_value=False,
            callback=_set, help=help_text,
        )(command)  # fmt: skip
    return command


def _set_progress(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None and not ctx.resilient_parsing:
        _turn_on(ctx, _PROGRESS[value])


def _set(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        _turn_on(ctx, str(param.name))


def _turn_on(ctx: click.Context, name: str) -> None:
    verbosity = verbosity_of(ctx)
    setattr(verbosity, name, True)
    if verbosity.quiet and (verbosity.json or verbosity.verbose):
        raise click.UsageError("-q prints nothing: drop --json and -v", ctx)
    if len(forms := [each for each in _PROGRESS if getattr(verbosity, _PROGRESS[each])]) > 1:
        raise click.UsageError(f"choose one form of progress, not {' and '.join(forms)}", ctx)
