"""A small picture of a finished video."""

from __future__ import annotations

import io
from pathlib import Path

import av
from PIL import Image

WIDTH = 240
_HIGHEST = 320
_QUALITY = 72


def thumbnail(video: Path) -> bytes | None:
    """A JPEG of a frame from the middle, 240 pixels wide or less; None if there is none to see."""
    try:
        with av.open(f"file:{video}", metadata_errors="replace") as container:
            stream = container.streams.video[0]
            if container.duration:
                container.seek(container.duration // 2)
            frame = next(container.decode(stream))
            return _jpeg(frame)
    except (OSError, ValueError, IndexError, StopIteration, av.error.FFmpegError):
        return None


def _jpeg(frame: av.VideoFrame) -> bytes:
    scale = min(WIDTH / frame.width, _HIGHEST / frame.height, 1.0)
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    rgb = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    content = io.BytesIO()
    Image.fromarray(rgb).save(content, "JPEG", quality=_QUALITY, optimize=True)
    return content.getvalue()
