"""`join`: the last stage of a render on its own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from musetalk_fast.cli.grouped_help import DescribedArgument, GroupedCommand
from musetalk_fast.cli.verbosity import verbosity_of, verbosity_options

_EXAMPLES = """\b
Examples:
  musetalk-fast join anna.mp4.parts
"""


@click.command(
    cls=GroupedCommand, epilog=_EXAMPLES, short_help="Stage 3 of 3: join the parts of a plan."
)
@click.argument(
    "plan", cls=DescribedArgument, type=click.Path(path_type=Path, readable=False),
    description="The folder OUTPUT.parts that `plan` made, or the plan.json in it.",
)  # fmt: skip
@verbosity_options
@click.pass_context
def join(ctx: click.Context, plan: Path) -> None:
    """Join the parts of a plan into the video, add the sound, remove the parts.

    Pictures are copied, not encoded again. If parts are missing, their segments are named. A video
    that was joined before stays as it is.
    """
    from musetalk_fast.cli.display_selection import open_display
    from musetalk_fast.cli.formatting import video_facts
    from musetalk_fast.cli.signals import run_blocking
    from musetalk_fast.rendering.progress import still_event
    from musetalk_fast.rendering.steps import join_plan
    from musetalk_fast.video.mouth_motion import is_still

    with open_display(verbosity_of(ctx)) as display:
        output, joined = run_blocking(lambda: join_plan(plan, display))
        secs = float(joined.duration)
        facts = video_facts(secs, joined.frames, joined.bytes)
        members = {
            "output": str(output),
            "bytes": joined.bytes,
            "frames": joined.frames,
            "duration_secs": round(secs, 3),
            "mouth": None if joined.mouth is None else asdict(joined.mouth),
        }
        if joined.mouth is not None and is_still(joined.mouth):
            display(still_event(joined.mouth))
        display.result("joined", members, f"Output: {output} ({facts})")
