"""What is shown of a plan before it is rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musetalk_fast.cli.formatting import duration, faces_text
from musetalk_fast.types import Sound

if TYPE_CHECKING:
    from musetalk_fast.events import FacesEvent
    from musetalk_fast.planning import Plan


def plan_members(plan: Plan) -> dict[str, str | int | float | bool]:
    """What a dry run shows of a plan."""
    return {
        "avatar": str(plan.avatar),
        "audio": str(plan.audio),
        "output": str(plan.output),
        "duration_secs": round(float(plan.duration), 3),
        "fps": str(plan.fps),
        "frames": plan.frames,
        "width": plan.width,
        "height": plan.height,
        "fit": plan.fit.value,
        "background": str(plan.background_image or plan.background),
        "encoder": plan.encoder.codec,
        "still_rows": plan.still_rows.value,
        "scaling": plan.scaling.value,
        "silence": plan.silence.value,
        "match_colour": plan.match_colour,
        "match_source": plan.match_source,
        "sound": plan.sound.value,
        "segments": len(plan.segments),
        "frame_encoding": plan.frame_encoding.value,
        "identity": plan.identity,
    }


def plan_table(plan: Plan, faces: FacesEvent | None) -> str:
    """The same as lines of `name  value`, with the faces, if they were looked for."""
    members = plan_members(plan)
    members["faces"] = faces_text(faces) if faces else "not looked for"
    members["size"] = f"{members.pop('width')}x{members.pop('height')}"
    members["duration"] = duration(float(members.pop("duration_secs")))
    members["sound"] = _sound_text(plan)
    members["plays"] = plan.extend.value + ", stretched to the recording" * plan.speed_to_fit
    order = (
        *("avatar", *["plays"] * plan.moves, "faces", "audio", "output"),
        *("duration", "fps", "frames", "size", "fit", "background"),
        *("encoder", "still_rows", "scaling", "silence", "match_colour", "match_source", "sound"),
        *("segments", "frame_encoding", "identity"),
    )
    return "\n".join(f"{name.replace('_', ' '):<16}{members[name]}" for name in order)


def _sound_text(plan: Plan) -> str:
    if plan.sound is Sound.NONE:
        return plan.sound.value
    whose = "the avatar's own" if plan.audio_from_avatar else "the recording's"
    if plan.sound is Sound.COPY:
        return f"{whose}, copied"
    beneath = "" if plan.mix_background is None else f", over {plan.mix_background.name}"
    return f"{whose}{beneath}, as {plan.sound}"
