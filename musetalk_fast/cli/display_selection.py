"""Selects the display of a command."""

from __future__ import annotations

import os
import sys

from musetalk_fast.cli.display import Display, JsonDisplay, LineDisplay
from musetalk_fast.cli.verbosity import Verbosity


def open_display(verbosity: Verbosity) -> Display:
    """The display that was asked for, else bars on a terminal, else lines."""
    if verbosity.json:
        return JsonDisplay()
    if verbosity.quiet:
        return Display()  # a run ends with its own error
    if verbosity.openjd:
        from musetalk_fast.cli.openjd_display import OpenJDDisplay

        return OpenJDDisplay(verbose=verbosity.verbose)
    if shows_bars(verbosity):
        from musetalk_fast.cli.bar_display import BarDisplay

        return BarDisplay(verbose=verbosity.verbose)
    return LineDisplay(verbose=verbosity.verbose)


def shows_bars(verbosity: Verbosity) -> bool:
    """Whether a terminal that can move its cursor reads what is said, and shall."""
    if verbosity.plain or verbosity.openjd:
        return False
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
