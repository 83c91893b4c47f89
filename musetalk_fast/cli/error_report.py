"""Reports an error: words on stderr or an object on stdout, and the exit code."""

from __future__ import annotations

import os
import sys
from typing import TypeAlias

import click

from musetalk_fast.cli.stdio import STDOUT
from musetalk_fast.cli.verbosity import Verbosity

NO_READER = 128 + 13
"""What a shell says of a program that SIGPIPE ended."""

_MAX_LENGTH = 4000
_MAX_DETAILS = 100


class ReaderGone(BaseException):
    """The reader of our stdout has gone: no error, but no output is possible."""


def report(error: BaseException, verbosity: Verbosity) -> int:
    """Print what went wrong; returns the exit code for it."""
    if isinstance(error, ReaderGone):
        return NO_READER
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    known = describe(error)
    if known["token"] == "MTF-INTERNAL" and (verbosity.verbose or _debugging()):
        _trace(error)
    _emit(known, verbosity)
    code = known["exit_code"]
    return code if isinstance(code, int) else 0


Described: TypeAlias = dict[str, str | int | list[str] | None]


def describe(error: BaseException) -> Described:
    """An error's token, exit code, message, where and hint; of a list also its `details`."""
    from musetalk_fast import errors
    from musetalk_fast.system_limits import limit_error
    from musetalk_fast.threads import is_thread_limit, thread_limit_error

    if isinstance(error, click.ClickException):
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        hint = f"see `{path or 'musetalk-fast'} --help`"
        error = errors.UsageError(error.format_message().rstrip("."), hint=hint)
    elif isinstance(error, OSError) and error.filename == STDOUT:
        error = errors.OutputWriteError(
            f"cannot write: {error.strerror}",
            where=STDOUT,
            hint="free space where stdout goes, or send it elsewhere; a video that was finished "
            "before is in its place",
        )
    elif is_thread_limit(error):
        error = thread_limit_error()
    elif (limit := limit_error(error)) is not None:
        error = limit
    elif not isinstance(error, errors.MuseTalkError):
        error = errors.InternalError(f"{type(error).__name__}: {error}")
    known = _members(error.token, error.exit_code, error.message, error.where, error.hint)
    if isinstance(error, errors.JobListError) and error.details:
        known["details"] = list(error.details)
    return known


def in_words(known: Described) -> str:
    """The lines for a terminal, without characters that it would obey."""
    from musetalk_fast.wire.printable import printable

    lines = [f"error: {known['message']} ({known['token']})"]
    details = known.get("details") or []
    assert isinstance(details, list)
    lines += [f"  {each}" for each in details[:_MAX_DETAILS]]
    if len(details) > _MAX_DETAILS:
        lines.append(f"  and {len(details) - _MAX_DETAILS} more; --json has them all")
    lines += [f"  {name}: {known[name]}" for name in ("where", "hint") if known[name]]
    return "\n".join(printable(line, _MAX_LENGTH) for line in lines)


def _members(
    token: str, exit_code: int, message: str, where: str | None, hint: str | None
) -> Described:
    return {
        "token": token,
        "exit_code": exit_code,
        "message": message,
        "where": where,
        "hint": hint,
    }


def _emit(known: Described, verbosity: Verbosity) -> None:
    if verbosity.json and known["where"] != STDOUT:
        from musetalk_fast.cli.json_lines import json_line

        click.echo(json_line({"event": "error", **known}))
    elif verbosity.openjd:
        from musetalk_fast.cli.formatting import fail_line
        from musetalk_fast.wire.printable import printable

        click.echo(f"{printable(fail_line(known), _MAX_LENGTH)}\n{in_words(known)}", err=True)
    else:
        click.echo(in_words(known), err=True)


def _trace(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error, file=sys.stderr)


def _debugging() -> bool:
    return os.environ.get("MUSETALK_LOG_LEVEL", "").lower() == "debug"
