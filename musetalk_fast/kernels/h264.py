"""Full-size H.264 pictures composed of a band's pictures and of rows that do not change."""

from __future__ import annotations

from collections.abc import Sequence

from musetalk_fast.kernels import native
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.reference import h264 as reference
from musetalk_fast.kernels.reference.h264 import Composition, Layout, Syntax

__all__ = ["Composition", "Layout", "Syntax", "compose"]

_native = native.load("h264")


def compose(
    packet: bytes,
    syntax: Syntax,
    layout: Layout,
    still: Sequence[tuple[bytes, int]],
    idr_pic_id: int,
) -> Composition:
    """As `reference.h264.compose`.

    Raises:
        UnsupportedStreamError: a slice uses what is not known here, or is damaged.
    """
    if _native is None:
        return reference.compose(packet, syntax, layout, still, idr_pic_id)
    made = _native.compose(packet, tuple(syntax), tuple(layout), list(still), idr_pic_id)
    if isinstance(made, str):
        raise UnsupportedStreamError(made)
    return Composition(*made)
