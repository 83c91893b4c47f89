"""How many frames a second several servers of a known pace come to."""

from __future__ import annotations

import time
from pathlib import Path

from scene import Scene

from musetalk_fast import render_async

PACE = 40.0
"""Frames a second of one server."""


async def reached(
    scene: Scene, output: Path, urls: list[str], segment_secs: float = 1.0
) -> tuple[float, float]:
    """Frames a second while frames were made, and the seconds of the whole render."""
    began = time.monotonic()
    result = await render_async(
        scene.avatar, scene.audio, output, scene.settings(*urls, segment_secs=segment_secs)
    )
    return result.fps, time.monotonic() - began
