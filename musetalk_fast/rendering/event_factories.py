"""What is told of a plan and of its segments."""

from __future__ import annotations

import math

from musetalk_fast.errors import MuseTalkError
from musetalk_fast.events import PlanEvent, SegmentEvent, WarningEvent
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.rendering.jobdir import JobDirectory
from musetalk_fast.video.parts import Part


def plan_event(plan: Plan) -> PlanEvent:
    """What is going to be made."""
    return PlanEvent(
        avatar=str(plan.avatar),
        audio=str(plan.audio),
        output=str(plan.output),
        frames=plan.frames,
        fps=str(plan.fps),
        width=plan.width,
        height=plan.height,
        segments=len(plan.segments),
        encoder=plan.encoder.codec,
        threads=plan.encoder.threads,
        frame_encoding=plan.frame_encoding.value,
    )


def segment_event(segment: Segment, part: Part, *, reused: bool = False) -> SegmentEvent:
    """A segment is a part."""
    return SegmentEvent(
        number=segment.number,
        start=segment.start,
        stop=segment.stop,
        bytes=part.bytes,
        reused=reused,
    )


def failure_event(error: MuseTalkError, secs: float) -> WarningEvent:
    """A server failed; it is tried again in so many seconds, or never."""
    again = "left out" if math.isinf(secs) else f"trying again in {secs:.1f} s"
    return WarningEvent(message=f"{error}; {again}", token=error.token)


def kept_event(jobdir: JobDirectory) -> WarningEvent:
    """The render ends early, but not for nothing."""
    message = f"finished segments are kept in {jobdir.path}: the same command again continues"
    return WarningEvent(message=message, token="MTF-PARTS-KEPT")
