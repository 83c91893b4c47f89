"""`plan`: the first stage of a render on its own, for machines that share a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from musetalk_fast.cli.face_preview_option import face_preview_option, write_preview
from musetalk_fast.cli.grouped_help import GroupedCommand
from musetalk_fast.cli.piping import refuse_pipes
from musetalk_fast.cli.setting_options import file_options, planning_options
from musetalk_fast.cli.settings_loading import load
from musetalk_fast.cli.verbosity import verbosity_of, verbosity_options

_EXAMPLES = """\b
Examples:
  musetalk-fast plan -i anna.png -a anna.wav -o anna.mp4
  musetalk-fast segment anna.mp4.parts --segments 0-3 -s http://gpu1:8000
  musetalk-fast join anna.mp4.parts
"""


@click.command(
    cls=GroupedCommand, epilog=_EXAMPLES, short_help="Stage 1 of 3: write the plan of a video."
)
@file_options(pipes=False)
@planning_options
@face_preview_option
@verbosity_options
@click.pass_context
def plan(
    ctx: click.Context, avatar: Path, audio: Path, output: Path, face_preview: Path | None
) -> None:
    """Check both inputs and write OUTPUT.parts/plan.json, which `segment` and `join` follow.

    The stages of `render` one by one, for machines that share a folder. No server is asked here.
    Prints the plan's path and the number of its segments.
    """
    from musetalk_fast.cli.display_selection import open_display
    from musetalk_fast.cli.plan_table import plan_members
    from musetalk_fast.cli.signals import run_blocking
    from musetalk_fast.rendering.steps import write_plan

    refuse_pipes(avatar, audio, output)
    settings = load(ctx)
    with open_display(verbosity_of(ctx)) as display:
        if face_preview is not None:
            write_preview(face_preview, avatar, audio, output, settings)
        planning = partial(write_plan, avatar, audio, output, settings, on_event=display)
        path, made = run_blocking(planning)
        members = {**plan_members(made), "plan": str(path)}
        display.result("planned", members, f"Plan: {path} ({_count(len(made.segments))})")


def _count(segments: int) -> str:
    return "1 segment" if segments == 1 else f"{segments} segments, 0 to {segments - 1}"
