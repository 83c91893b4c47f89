"""`doctor`: is everything there, and what to do if not."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from musetalk_fast.cli.json_lines import json_line
from musetalk_fast.cli.setting_options import GroupedCommand, connecting_options, flags_of
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

    Each problem comes with a fix. The exit code is 0 if renders can work, else 1.
    """
    from musetalk_fast.cli.doctor_checks import PROBLEM, check_all

    checks = []
    spoken = not verbosity_of(ctx).json
    for check in check_all(flags_of(ctx)):
        checks.append(check)
        if spoken:
            click.echo(_line(check))
    usable = all(check.state != PROBLEM for check in checks)
    if not spoken:
        click.echo(json_line({"usable": usable, "checks": [asdict(check) for check in checks]}))
    return 0 if usable else 1


def _line(check: Check) -> str:
    from musetalk_fast.wire.printable import printable

    line = f"{_MARKS[check.state]}  {check.name:<14}  {printable(check.detail)}"
    return line + (f"\n      fix: {printable(check.fix)}" if check.fix else "")
