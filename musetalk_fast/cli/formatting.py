"""Formats events as text: pure functions, which all displays share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from musetalk_fast.wire.media_types import INFER

if TYPE_CHECKING:
    from musetalk_fast.events import (
        DoneEvent,
        FacelessEvent,
        FacesEvent,
        MouthFigures,
        PlanEvent,
        ProgressEvent,
        ServerEvent,
        StillRowsFigures,
        WarningEvent,
        WeightsEvent,
    )

STAGES = {
    "verify": "verifying",
    "pull": "downloading",
    "load": "loading",
    "convert": "converting",
    "send": "sending",
    "prepare": "preparing",
    "generate": "generating",
    "encode": "encoding",
    "join": "joining",
}
"""In their order."""


_REASONS = {
    "largest": "the largest",
    "left": "the leftmost",
    "right": "the rightmost",
    "number": "asked for by number",
    "center": "nearest to --face-center",
    "box": "in --face-box",
}
_INSTEAD = {
    "pass": "they are shown as they are",
    "hold": "the one before them that has a face is shown instead",
}
_MAX_FACES = 8
_MAX_RANGES = 5


def faces_line(event: FacesEvent) -> str:
    """`faces: 2; takes 1 at 683,131 (184x203), the largest; 0 at 180,110 (92x109)`."""
    return f"faces: {faces_text(event)}"


def faces_text(event: FacesEvent) -> str:
    """`2; takes 1 at 683,131 (184x203), the largest; 0 at 180,110 (92x109)`, `1 at ...`."""
    if len(event.faces) == 1:
        (face,) = event.faces
        return f"1, at {face.x},{face.y} ({face.width}x{face.height})"
    places = [
        f"{number} at {face.x},{face.y} ({face.width}x{face.height})"
        for number, face in enumerate(event.faces)
    ]
    taken = places.pop(event.chosen)
    text = f"{len(event.faces)}; takes {taken}, {_REASONS.get(event.reason, event.reason)}"
    if places:
        text += f"; {', '.join(places[:_MAX_FACES])}"
    return text + (f" and {len(places) - _MAX_FACES} more" if len(places) > _MAX_FACES else "")


def warning_line(event: WarningEvent | FacelessEvent) -> str:
    """`warning: the recording is quiet: ... (MTF-AUDIO-QUIET)`: log rules look for the token."""
    from musetalk_fast.events import WarningEvent

    if isinstance(event, WarningEvent):
        return f"warning: {event.message} ({event.token})"
    return f"warning: {_faceless_text(event)} (MTF-FACELESS)"


def _faceless_text(event: FacelessEvent) -> str:
    """`2 of 250 source frames have no face (17, 30-31): they are shown as they are (--no-face)`."""
    named = [
        str(start) if stop == start + 1 else f"{start}-{stop - 1}"
        for start, stop in event.ranges[:_MAX_RANGES]
    ]
    if len(event.ranges) > _MAX_RANGES:
        named.append("...")
    return (
        f"{event.frames} of {event.total} source frames have no face ({', '.join(named)}): "
        f"{_INSTEAD[event.shown]} (--no-face)"
    )


def plan_line(event: PlanEvent) -> str:
    """`plan: 178 frames at 25 fps, 512x512, libx264, 1 segment`, or `2 of 9 segments kept`.

    A transparent video's size is `512x512 transparent`.
    """
    segments = "1 segment" if event.segments == 1 else f"{event.segments} segments"
    if event.kept:
        segments = f"{event.kept} of {segments} kept"
    size = f"{event.width}x{event.height}" + " transparent" * event.transparent
    frames = frame_count(event.frames)
    return f"plan: {frames} at {event.fps} fps, {size}, {event.encoder}, {segments}"


def server_line(event: ServerEvent) -> str:
    """`server: http://localhost:8000 (engine musetalk 1.5)`."""
    preview = ", a preview, not MuseTalk" if event.engine == "preview" else ""
    return f"server: {event.url} (engine {event.engine} {event.model}{preview})"


def wire_line(event: ServerEvent, plan: PlanEvent | None) -> str:
    """`wire: binary, raw crops, the rows that the mask needs`."""
    if event.wire == INFER.name:
        return f"wire: {event.wire}, full frames"
    encoding = f"{plan.frame_encoding} crops, " if plan else ""
    return f"wire: {event.wire}, {encoding}the rows that the mask needs"


def encoder_line(event: PlanEvent) -> str:
    """`encoder: libx264, 1 thread each`."""
    threads = "1 thread" if event.threads == 1 else f"{event.threads} threads"
    return f"encoder: {event.encoder}, {threads} each"


def progress_facts(event: ProgressEvent) -> list[str]:
    """`0:04 left`, `96 fps`, `120/500`: what is known, the most important first."""
    facts = []
    if event.eta_secs is not None and event.done < event.total:
        facts.append(f"{clock(event.eta_secs)} left")
    if event.fps:
        facts.append(f"{event.fps:.0f} fps")
    return [*facts, f"{event.done}/{event.total}"]


def weights_facts(event: WeightsEvent) -> list[str]:
    """`1:04 left`, `1.2 GB of 3.9 GB`, `41.0 MB/s`, `musetalkV15/unet.pth`: the same order."""
    facts = [sent(event.done, event.total)]
    if event.bytes_per_sec:
        facts.append(f"{size(int(event.bytes_per_sec))}/s")
    if event.eta_secs is not None and event.done < event.total:
        facts.insert(0, f"{clock(event.eta_secs)} left")
    return [*facts, event.file]


def done_line(event: DoneEvent) -> str:
    """`Output: out.mp4 (7.1 s, 178 frames, 1.2 MB), rendered in 3.2 s at 96 fps`."""
    return f"Output: {event.output} {_facts(event)}"


def job_line(event: DoneEvent) -> str:
    """`out.mp4 (7.1 s, ...), rendered in 3.2 s at 96 fps`: one of many, without its folder."""
    return f"{Path(event.output).name} {_facts(event)}"


def video_facts(secs: float, frames: int, count: int) -> str:
    """`7.1 s, 178 frames, 1.2 MB`."""
    return f"{duration(secs)}, {frame_count(frames)}, {size(count)}"


def time_line(event: DoneEvent) -> str:
    """`time: 2.4 s (load 0.3 s, generate 1.8 s)`."""
    stages = ", ".join(f"{name} {secs:.2f} s" for name, secs in event.stages.items())
    return f"time: {event.wall_secs:.2f} s" + (f" ({stages})" if stages else "")


def mouth_line(mouth: MouthFigures) -> str:
    """`mouth: moves by 3.2 levels of 255 in 80 ms, follows the speech (0.62)`."""
    if mouth.moved is None:
        return "mouth: no speech to move to"
    text = f"mouth: moves by {mouth.moved:.1f} levels of 255 in 80 ms of speech"
    if mouth.follows is not None:
        text += f", correlation with its loudness {mouth.follows:.2f}"
    return text


def still_rows_line(figures: StillRowsFigures) -> str:
    """`rows: 23 of 68 encoded with every frame; 2 pictures compared, 1 segment encoded in full`."""
    text = f"rows: {figures.band_rows} of {figures.rows} encoded with every frame"
    if figures.unproven or figures.in_full:
        pictures = "1 picture" if figures.unproven == 1 else f"{figures.unproven} pictures"
        segments = "1 segment" if figures.in_full == 1 else f"{figures.in_full} segments"
        text += f"; {pictures} compared, {segments} encoded in full"
    return text


def frame_count(frames: int) -> str:
    """`1 frame`, `178 frames`."""
    return "1 frame" if frames == 1 else f"{frames} frames"


def percent(done: int, total: int) -> str:
    """`45%`; 100 only at the end."""
    return f"{100 * done // total if total else 100}%"


def clock(secs: float) -> str:
    """`0:04`, `12:05`, `1:02:05`, as players show it."""
    minutes, seconds = divmod(int(secs + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def duration(secs: float) -> str:
    """`7.1 s`, `12:05 min`, `1:02:05 h`."""
    if secs < 59.95:
        return f"{secs:.1f} s"
    return f"{clock(secs)} {'min' if secs < 3599.5 else 'h'}"


def sent(count: int, total: int) -> str:
    """`0.5 MB of 1.2 MB`."""
    return f"{size(count)} of {size(total)}"


def size(count: int) -> str:
    """`1.2 MB`, in powers of ten."""
    if count < 1000:
        return f"{count} bytes"
    scaled = count / 1000
    for unit in ("kB", "MB", "GB"):
        if scaled < 999.95:
            return f"{scaled:.1f} {unit}"
        scaled /= 1000
    return f"{scaled:.1f} TB"


def _facts(event: DoneEvent) -> str:
    facts = video_facts(event.duration_secs, event.frames, event.bytes)
    speed = f" at {event.fps:.0f} fps" if event.fps else ""  # all parts may have been there
    return f"({facts}), rendered in {duration(event.wall_secs)}{speed}"


def fail_line(known: Mapping[str, object]) -> str:
    """`openjd_fail: MTF-AUDIO-LENGTH: the recording is empty` of an error's members."""
    return f"openjd_fail: {known['token']}: {known['message']}"
