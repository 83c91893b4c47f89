"""Inputs and settings become a plan: everything that decides how the video looks."""

from musetalk_fast.planning.inputs import (
    AvatarWanted,
    Inputs,
    SeenAvatar,
    load_inputs,
    see_avatar,
)
from musetalk_fast.planning.plan import Plan, Segment, cut
from musetalk_fast.planning.plan_checks import check_inputs
from musetalk_fast.planning.planner import check_place, make_plan, other_files, plan_render
from musetalk_fast.planning.segment_choice import SegmentChoice

__all__ = [
    "AvatarWanted",
    "Inputs",
    "Plan",
    "SeenAvatar",
    "Segment",
    "SegmentChoice",
    "check_inputs",
    "check_place",
    "cut",
    "load_inputs",
    "make_plan",
    "other_files",
    "plan_render",
    "see_avatar",
]
