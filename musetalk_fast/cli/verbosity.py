"""How loud a command is, and the options that say so."""

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
        verbose: more than usual; a traceback for unexpected errors.
    """

    def __init__(self) -> None:
        self.json = False
        self.quiet = False
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


def verbosity_options(command: F) -> F:
    """`-q`, `-v` and `--json`."""
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


def _set(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    verbosity = verbosity_of(ctx)
    if not value or ctx.resilient_parsing:
        return
    setattr(verbosity, str(param.name), True)
    if verbosity.quiet and (verbosity.json or verbosity.verbose):
        raise click.UsageError("-q prints nothing: drop --json and -v", ctx)
