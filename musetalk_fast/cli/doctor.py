"""`doctor`: checks the installation and the machine, with a fix for each problem."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from musetalk_fast.cli.grouped_help import GroupedCommand
from musetalk_fast.cli.json_lines import json_line
from musetalk_fast.cli.setting_options import connecting_options
from musetalk_fast.cli.settings_loading import flags_of
from musetalk_fast.cli.verbosity import json_option, verbosity_of

if TYPE_CHECKING:
    from musetalk_fast.cli.doctor_checks import Check

_MARKS = {"ok": "ok  ", "note": "note", "problem": "FAIL"}


_EXAMPLES = """\b
Examples:
  musetalk-fast doctor
  musetalk-fast doctor -s http://gpu:8000
"""


@click.command(cls=GroupedCommand, epilog=_EXAMPLES, short_help="Find out what is missing or slow.")
@connecting_options
@json_option("One JSON object on stdout.")
@click.pass_context
def doctor(ctx: click.Context) -> int:
    """Look at the program, its packages, kernels and encoders, the settings and the server.

    Each problem comes with a fix. The last line says that renders can work (exit code 0), or what
    to do first (exit code 1).
    """
    from musetalk_fast.cli.doctor_checks import PROBLEM, check_all

    checks = []
    spoken = not verbosity_of(ctx).json
    for check in check_all(flags_of(ctx)):
        checks.append(check)
        if spoken:
            click.echo(_line(check))
    problems = [check for check in checks if check.state == PROBLEM]
    if spoken:
        click.echo(_last_line(problems))
    else:
        found = [asdict(check) for check in checks]
        click.echo(json_line({"usable": not problems, "checks": found}))
    return 1 if problems else 0


def _last_line(problems: list[Check]) -> str:
    if not problems:
        return "ready"
    from musetalk_fast.wire.printable import printable

    first, *others = problems
    more = f" ({len(others)} more above)" if others else ""
    return f"not ready: {first.name}: {printable(first.fix or first.detail)}{more}"


def _line(check: Check) -> str:
    from musetalk_fast.wire.printable import printable

    line = f"{_MARKS[check.state]}  {check.name:<14}  {printable(check.detail)}"
    return line + (f"\n      fix: {printable(check.fix)}" if check.fix else "")
