"""The command line: its commands, and the one place that exits."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from musetalk_fast._version import __version__
from musetalk_fast.cli.error_report import NO_READER, ReaderGone, report
from musetalk_fast.cli.immediate_exit import stop_at_once
from musetalk_fast.cli.signals import Stopped
from musetalk_fast.cli.verbosity import Verbosity
from musetalk_fast.system_limits import limit_error

COMMANDS = (
    "render", "batch", "plan", "segment", "join", "farm", "serve", "models", "jobs",
    "config", "doctor", "bench",
)  # fmt: skip
"""Each is the command of that name in the module of that name."""

_LEVELS = ("debug", "info", "warning", "error")


class _Commands(click.Group):
    """Imports a command when it is asked for, so that a short answer comes at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"musetalk_fast.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in COMMANDS or name.startswith("-"):
            return super().resolve_command(ctx, args)
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise click.UsageError(f"there is no command {name!r}{meant}", ctx)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _reader_gone():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> object:
        with _reader_gone():
            return super().invoke(ctx)


@contextmanager
def _reader_gone() -> Iterator[None]:
    """Click would end the program by itself, with the code of a failed batch."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error


_EXAMPLES = """\b
Examples:
  musetalk-fast render -i anna.png -a anna.wav -o anna.mp4
  musetalk-fast render --help
"""


@click.command(
    cls=_Commands, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Make a portrait speak: an avatar and a recording become a lip-synced video."""


def main() -> NoReturn:
    """Run the command line and exit."""
    verbosity = Verbosity()
    try:
        _start_logging()
        code = int(cli.main(prog_name="musetalk-fast", standalone_mode=False, obj=verbosity) or 0)
    except Stopped as stopped:
        _stop(stopped.number)
    except (click.Abort, KeyboardInterrupt):
        _stop(signal.SIGINT)
    except BaseException as error:  # noqa: BLE001 - the last one there is
        code = _report(error, verbosity)
        if limit_error(error) is not None:
            os._exit(code)  # what cannot be closed for want of files would complain
    _leave(code)


def _stop(number: int) -> NoReturn:
    """Threads inside a native call would hold the interpreter back."""
    with suppress(OSError):
        sys.stdout.flush()
    stop_at_once(number)


def _report(error: BaseException, verbosity: Verbosity) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    # What was wrong before it came to `--json` shall be an object too.
    verbosity.json = verbosity.json or "--json" in sys.argv
    try:
        return report(error, verbosity)
    except BrokenPipeError:
        return NO_READER
    except OSError as full:
        return report(full, Verbosity())


def _leave(code: int) -> NoReturn:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()
    except OSError as error:
        _silence()
        code = code or report(error, Verbosity())
    sys.exit(code)


def _silence() -> None:
    """Python would flush once more on its way out, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _start_logging() -> None:
    level = os.environ.get("MUSETALK_LOG_LEVEL", "")
    if not level:
        return
    if level.lower() not in _LEVELS:
        from musetalk_fast.errors import InvalidSettingError

        raise InvalidSettingError(
            f"must be one of {', '.join(_LEVELS)}, not {level!r}", where="MUSETALK_LOG_LEVEL"
        )
    import logging

    logging.basicConfig(level=level.upper(), stream=sys.stderr)
