"""`render`: one avatar, one recording, one video."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musetalk_fast.cli.face_preview_option import face_preview_option, write_preview
from musetalk_fast.cli.grouped_help import GroupedCommand
from musetalk_fast.cli.overwriting import ask_before_replacing
from musetalk_fast.cli.setting_options import file_options, rendering_options
from musetalk_fast.cli.settings_loading import load
from musetalk_fast.cli.verbosity import verbosity_of, verbosity_options
from musetalk_fast.media.piped_input import STANDARD, is_piped

if TYPE_CHECKING:
    from musetalk_fast.cli.display import Display
    from musetalk_fast.config import Settings
    from musetalk_fast.events import Event

_EXAMPLES = """\b
Examples:
  musetalk-fast render -i anna.png -a anna.wav -o anna.mp4
  musetalk-fast render -s http://gpu:8000 -i anna.png -a anna.mp3 -o anna.webm
  musetalk-fast render -n -i anna.png -a anna.wav -o anna.mp4
  cat anna.wav | musetalk-fast render -i anna.png -a - -o - | ffplay -
  musetalk-fast render -n --face-preview f.png -i us.jpg -a us.wav -o us.mp4
"""


@click.command(cls=GroupedCommand, epilog=_EXAMPLES, short_help="Make one video.")
@file_options(pipes=True)
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
    With -o - the video goes to standard output while it is made, and all else to standard error.
    """
    from musetalk_fast.cli.signals import start_quickly

    start_quickly()
    from musetalk_fast.cli.display_selection import open_display
    from musetalk_fast.cli.piping import named_output, piped_inputs, send_video
    from musetalk_fast.cli.stdio import stdout_for_the_video

    settings = load(ctx)
    is_sent = output == STANDARD and not dry_run
    if not (dry_run or is_sent):
        ask_before_replacing(ctx, [output])
    with ExitStack() as stack:
        pipe = stack.enter_context(stdout_for_the_video()) if is_sent else -1
        named = stack.enter_context(named_output(output, settings))
        given = {"avatar": avatar, "audio": audio, "output": output}
        avatar, audio = stack.enter_context(piped_inputs(avatar, audio))
        display = stack.enter_context(open_display(verbosity_of(ctx)))
        if face_preview is not None:
            write_preview(face_preview, avatar, audio, named, settings)
        if dry_run:
            shown = {name: path for name, path in given.items() if is_piped(path)}
            _dry_run(avatar, audio, named, settings, display, shown)
        elif is_sent:
            send_video(avatar, audio, pipe, settings, display)
        else:
            from musetalk_fast.cli.signals import run
            from musetalk_fast.rendering import render_async

            run(render_async(avatar, audio, output, settings, fresh=fresh, on_event=display))


def _dry_run(
    avatar: Path,
    audio: Path,
    output: Path,
    settings: Settings,
    display: Display,
    shown: dict[str, Path],
) -> None:
    """Check both inputs and print the plan, some paths in it as the user gave them."""
    from musetalk_fast.cli.plan_table import plan_members, plan_table
    from musetalk_fast.cli.signals import run_blocking
    from musetalk_fast.events import FacesEvent
    from musetalk_fast.planning import make_plan

    seen: list[FacesEvent] = []

    def listen(event: Event) -> None:
        if isinstance(event, FacesEvent):
            seen.append(event)
        display(event)

    planning = partial(make_plan, avatar, audio, output, settings, on_event=listen)
    plan = replace(run_blocking(planning), **shown)  # type: ignore[arg-type]
    table = plan_table(plan, seen[0] if seen else None)
    display.result("plan", plan_members(plan), table)
