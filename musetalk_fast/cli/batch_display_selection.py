"""Selects the display of a batch."""

from __future__ import annotations

from musetalk_fast.cli.batch_display import BatchDisplay
from musetalk_fast.cli.batch_json_lines import JsonBatch
from musetalk_fast.cli.batch_text import LineBatch, QuietBatch
from musetalk_fast.cli.display_selection import shows_bars
from musetalk_fast.cli.verbosity import Verbosity


def open_batch_display(verbosity: Verbosity, total: int) -> BatchDisplay:
    """The display that was asked for, else bars on a terminal, else lines."""
    if verbosity.json:
        return JsonBatch(total)
    if verbosity.quiet:
        return QuietBatch(total)
    if verbosity.openjd:
        from musetalk_fast.cli.openjd_display import OpenJDBatch

        return OpenJDBatch(total, verbose=verbosity.verbose)
    if shows_bars(verbosity):
        from musetalk_fast.cli.batch_bars import BarBatch

        return BarBatch(total, verbose=verbosity.verbose)
    return LineBatch(total, verbose=verbosity.verbose)
