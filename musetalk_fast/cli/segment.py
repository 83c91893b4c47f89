"""`segment`: the parts of some segments of a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musetalk_fast.cli.grouped_help import DescribedArgument, GroupedCommand
from musetalk_fast.cli.segment_options import Ranges, choice_of, segment_options
from musetalk_fast.cli.setting_options import streaming_options
from musetalk_fast.cli.settings_loading import load
from musetalk_fast.cli.verbosity import verbosity_of, verbosity_options

if TYPE_CHECKING:
    from musetalk_fast.video.parts import Part

_EXAMPLES = """\b
Examples:
  musetalk-fast segment anna.mp4.parts
  musetalk-fast segment anna.mp4.parts --segments 0-3,7 -s http://gpu1:8000
"""


@click.command(
    cls=GroupedCommand, epilog=_EXAMPLES, short_help="Stage 2 of 3: make parts of a plan."
)
@click.argument(
    "plan", cls=DescribedArgument, type=click.Path(path_type=Path, readable=False),
    description="The folder OUTPUT.parts that `plan` made, or the plan.json in it.",
)  # fmt: skip
@segment_options
@streaming_options
@verbosity_options
@click.pass_context
def segment(ctx: click.Context, plan: Path, segments: Ranges | None, frames: Ranges | None) -> None:
    """Make the parts of some segments of a plan, or of all.

    Finished parts are left as they are. Any number of machines may do this at a time over a
    shared folder; the same segment may be made twice.
    """
    from musetalk_fast.cli.display_selection import open_display
    from musetalk_fast.cli.signals import run, start_quickly

    start_quickly()
    from musetalk_fast.rendering.steps import render_segments

    choice = choice_of(segments, frames)
    settings = load(ctx)
    with open_display(verbosity_of(ctx)) as display:
        parts = run(render_segments(plan, choice, settings, on_event=display))
        display.result("parts", {"parts": [_members(part) for part in parts]}, _line(parts))


def _members(part: Part) -> dict[str, str | int]:
    return {"path": str(part.path), "frames": part.frames, "bytes": part.bytes}


def _line(parts: list[Part]) -> str:
    from musetalk_fast.cli.formatting import frame_count

    frames = frame_count(sum(part.frames for part in parts))
    count = "1 part" if len(parts) == 1 else f"{len(parts)} parts"
    return f"Parts: {parts[0].path.parent} ({count}, {frames})"
