"""`render`: one avatar, one recording, one video."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musetalk_fast.cli.face_preview_option import face_preview_option, write_preview
from musetalk_fast.cli.overwriting import ask_before_replacing
from musetalk_fast.cli.setting_options import GroupedCommand, file_options, load, rendering_options
from musetalk_fast.cli.verbosity import verbosity_of, verbosity_options

if TYPE_CHECKING:
    from musetalk_fast.cli.display import Display
    from musetalk_fast.config import Settings
    from musetalk_fast.events import Event

_EXAMPLES = """\b
Examples:
  musetalk-fast render -i anna.png -a anna.wav -o anna.mp4
  musetalk-fast render -s http://gpu:8000 -i anna.png -a anna.mp3 -o anna.webm
  musetalk-fast render -n -i anna.png -a anna.wav -o anna.mp4
  musetalk-fast render -n --face-preview f.png -i us.jpg -a us.wav -o us.mp4
"""


@click.command(cls=GroupedCommand, epilog=_EXAMPLES, short_help="Make one video.")
@file_options
@rendering_options
@face_preview_option
@click.option("-n", "--dry-run", is_flag=True, help="Check both inputs, print the plan, stop.")
@click.option("--fresh", is_flag=True, help="Start over, whatever an interrupted run has left.")
@verbosity_options
@click.pass_context
def render(
    ctx: click.Context,
    avatar: Path,
    audio: Path,
    output: Path,
    face_preview: Path | None,
    dry_run: bool,
    fresh: bool,
) -> None:
    """Make a video in which the avatar speaks the recording.

    OUTPUT appears only when it is complete. One that is there is replaced: on a terminal you
    are asked first, unless you give -y; --no-overwrite refuses. The same command again resumes a
    render that was interrupted: its finished parts are in OUTPUT.parts. If no server is chosen and
    the default one does not answer, the built-in engine makes a preview, and the program says so.
    """
    from musetalk_fast.cli.signals import start_quickly

    start_quickly()
    from musetalk_fast.cli.display_selection import open_display

    settings = load(ctx)
    if not dry_run:
        ask_before_replacing(ctx, [output])
    with open_display(verbosity_of(ctx)) as display:
        if face_preview is not None:
            write_preview(face_preview, avatar, audio, output, settings)
        if dry_run:
            _dry_run(avatar, audio, output, settings, display)
        else:
            from musetalk_fast.cli.signals import run
            from musetalk_fast.rendering import render_async

            run(render_async(avatar, audio, output, settings, fresh=fresh, on_event=display))


def _dry_run(avatar: Path, audio: Path, output: Path, settings: Settings, display: Display) -> None:
    """Check both inputs and print the plan."""
    from musetalk_fast.cli.formatting import plan_members, plan_table
    from musetalk_fast.cli.signals import run_blocking
    from musetalk_fast.events import FacesEvent
    from musetalk_fast.planning import make_plan

    seen: list[FacesEvent] = []

    def listen(event: Event) -> None:
        if isinstance(event, FacesEvent):
            seen.append(event)
        display(event)

    planning = partial(make_plan, avatar, audio, output, settings, on_event=listen)
    plan = run_blocking(planning)
    table = plan_table(plan, seen[0] if seen else None)
    display.result("plan", plan_members(plan), table)
