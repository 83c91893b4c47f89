"""Frames of the NDJSON wire found in place: neither copied nor given to a JSON parser."""

from __future__ import annotations

from musetalk_fast.kernels import native
from musetalk_fast.kernels.buffers import Bytes, readable
from musetalk_fast.kernels.reference import lines as reference
from musetalk_fast.kernels.reference.lines import Line

__all__ = ["Line", "frame_line"]

_native = native.load("lines")


def frame_line(text: Bytes, start: int, side: int) -> Line | None:
    """The complete line of a frame that begins at `start`, its checksum right.

    Args:
        text: contiguous bytes.
        start: not negative.
        side: the most rows and the largest width.

    Returns:
        What `reference.lines.Line` lists. None where the line is not complete, not in the one form
        that is read here, or damaged: a JSON parser says more.

    Raises:
        ValueError: `text` is not C-contiguous.
    """
    if _native is None:
        return reference.frame_line(readable("text", text), start, side)
    try:
        found: Line | None = _native.frame_line(text, start, side)
    except BufferError:
        readable("text", text)
        raise
    return found
