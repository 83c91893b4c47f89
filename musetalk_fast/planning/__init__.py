"""Inputs and settings become a plan: everything that decides how the video looks."""

from musetalk_fast.planning.making import Inputs, OnEvent, load_inputs, make_plan, plan_render
from musetalk_fast.planning.plan import Plan, Segment, cut

__all__ = [
    "Inputs",
    "OnEvent",
    "Plan",
    "Segment",
    "cut",
    "load_inputs",
    "make_plan",
    "plan_render",
]
