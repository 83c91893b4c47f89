"""Which display a batch gets."""

from __future__ import annotations

from musetalk_fast.cli.batch_display import BatchDisplay, JsonBatch, LineBatch, QuietBatch
from musetalk_fast.cli.display_selection import shows_bars
from musetalk_fast.cli.verbosity import Verbosity


def open_batch_display(verbosity: Verbosity, total: int) -> BatchDisplay:
    """The display that fits: JSON or nothing if asked for, else bars or lines."""
    if verbosity.json:
        return JsonBatch(total)
    if verbosity.quiet:
        return QuietBatch(total)
    if shows_bars():
        from musetalk_fast.cli.batch_bars import BarBatch

        return BarBatch(total, verbose=verbosity.verbose)
    return LineBatch(total, verbose=verbosity.verbose)
