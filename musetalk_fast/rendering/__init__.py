"""Joins the stages of a render, with bounded queues; the only package that knows them all."""

from musetalk_fast.rendering.api import render, render_async
from musetalk_fast.rendering.renderer import Renderer
from musetalk_fast.rendering.result import RenderResult

__all__ = ["RenderResult", "Renderer", "render", "render_async"]
