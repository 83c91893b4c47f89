"""Joins the stages of a render, with bounded queues; the only package that knows them all."""

from musetalk_fast.rendering.api import join, render, render_async, segment, write_plan
from musetalk_fast.rendering.renderer import Renderer
from musetalk_fast.rendering.result import RenderResult

__all__ = [
    "RenderResult",
    "Renderer",
    "join",
    "render",
    "render_async",
    "segment",
    "write_plan",
]
