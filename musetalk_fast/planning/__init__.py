"""Inputs and settings become a plan: everything that decides how the video looks."""

from musetalk_fast.planning.inputs import Inputs, load_inputs
from musetalk_fast.planning.plan import Plan, Segment, cut
from musetalk_fast.planning.plan_checks import check_inputs
from musetalk_fast.planning.planner import check_place, make_plan, plan_render
from musetalk_fast.planning.segment_choice import SegmentChoice

__all__ = [
    "Inputs",
    "Plan",
    "Segment",
    "SegmentChoice",
    "check_inputs",
    "check_place",
    "cut",
    "load_inputs",
    "make_plan",
    "plan_render",
]
