"""Which display a run gets."""

from __future__ import annotations

import os
import sys

from musetalk_fast.cli.display import Display, JsonDisplay, LineDisplay
from musetalk_fast.cli.verbosity import Verbosity


def open_display(verbosity: Verbosity) -> Display:
    """The display that fits: JSON or nothing if asked for, else bars or lines."""
    if verbosity.json:
        return JsonDisplay()
    if verbosity.quiet:
        return Display()  # a run ends with its own error
    if shows_bars():
        from musetalk_fast.cli.bar_display import BarDisplay

        return BarDisplay(verbose=verbosity.verbose)
    return LineDisplay(verbose=verbosity.verbose)


def shows_bars() -> bool:
    """Whether a terminal that can move its cursor reads what is said."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
