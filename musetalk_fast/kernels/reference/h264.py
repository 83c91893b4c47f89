"""A full-size H.264 picture composed of a band's picture and of rows that do not change.

A talking head made from a still changes in a few macroblock rows only, the *band*, which is
encoded as a video of its own. Its slices become slices of the full picture by a new
`first_mb_in_slice`; the rows above and below are the same IDR slices in every IDR picture, and
slices of nothing but skipped macroblocks in every other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from musetalk_fast.kernels.h264_bits import (
    IDR,
    NON_IDR,
    PPS,
    SPS,
    START_CODE,
    BitReader,
    UnsupportedStreamError,
    escape,
    se,
    split_nal_units,
    u,
    ue,
)
from musetalk_fast.kernels.reference.h264_skips import leading_skips, skips
from musetalk_fast.kernels.reference.h264_slice import B, I, P, Slice, Syntax, parse_slice

MAX_SLICES = 256
"""Of a picture."""

__all__ = ["Composition", "Layout", "Syntax", "compose"]


class Layout(NamedTuple):
    """Where the band stands, in macroblocks."""

    width: int
    first_row: int
    rows: int
    total_rows: int
    guard_rows: int
    """Rows at each inner edge of the band that have to be skipped in every picture; the lower
    ones are a slice of their own. 0: nothing is looked at."""


class Composition(NamedTuple):
    """A picture of the full size."""

    data: bytes
    """Annex B byte stream."""
    is_idr: bool
    is_proven: bool
    """Whether all guard rows are skipped: nothing was predicted from outside of the band."""


def compose(
    packet: bytes,
    syntax: Syntax,
    layout: Layout,
    still: Sequence[tuple[bytes, int]],
    idr_pic_id: int,
) -> Composition:
    """The picture whose band is `packet`.

    Args:
        packet: an access unit of the band, Annex B.
        still: the IDR slices of the rows that do not change: NAL unit, and macroblock row of the
            picture where the part that it belongs to begins; in order.
        idr_pic_id: for IDR pictures; neighbouring ones differ in it.

    Raises:
        UnsupportedStreamError: a slice uses what is not known here, or is damaged.
    """
    units = split_nal_units(packet)
    slices = [unit for unit in units if unit[0] & 31 in (NON_IDR, IDR)]
    band = [parse_slice(unit, syntax) for unit in slices[:MAX_SLICES]]
    if len(slices) > MAX_SLICES:
        raise UnsupportedStreamError("too many slices")
    others = [unit for unit in units if unit[0] & 31 not in (NON_IDR, IDR, SPS, PPS)]
    _check_band(band, layout)
    outside = (band[0], syntax, layout, still, idr_pic_id)
    above = _rows_outside(*outside, range(layout.first_row))
    first_mb = layout.first_row * layout.width
    made = [_moved(each, first_mb, idr_pic_id, syntax) for each in band]
    below = _rows_outside(*outside, range(layout.first_row + layout.rows, layout.total_rows))
    data = b"".join(START_CODE + unit for unit in [*others, *above, *made, *below])
    is_idr = band[0].is_idr
    return Composition(data, is_idr, is_idr or _is_proven(band, syntax, layout))


def _check_band(band: list[Slice], layout: Layout) -> None:
    if not band or band[0].first_mb:
        raise UnsupportedStreamError("the band's first slice is missing")
    for earlier, later in pairwise(band):
        if later.first_mb <= earlier.first_mb:
            raise UnsupportedStreamError("slices are not in order")
        if (later.nal, later.identity, later.poc) != (earlier.nal, earlier.identity, earlier.poc):
            raise UnsupportedStreamError("slices of several pictures")
    if band[-1].first_mb >= layout.rows * layout.width:
        raise UnsupportedStreamError("a slice begins behind the band")


def _moved(each: Slice, offset: int, idr_pic_id: int, syntax: Syntax) -> bytes:
    """The slice `offset` macroblocks further on, not filtered across its part's upper edge."""
    is_edge = each.first_mb == 0 and each.deblocking == 0
    head = ue(each.first_mb + offset) + ue(each.kind) + each.identity
    if each.is_idr:
        head += ue(idr_pic_id)
    head += each.poc + each.middle + ue(2 if is_edge else each.deblocking) + each.offsets
    if syntax.cabac:  # the arithmetic code begins on a byte: copied as it is
        rbsp = head.to_bytes(1) + each.data[each.payload :]
    else:
        bits = BitReader(each.data, each.stop_bit + 1)
        rbsp = (head + bits.since(each.end)).to_bytes(0)
    return bytes([each.nal]) + escape(rbsp)


def _rows_outside(
    like: Slice,
    syntax: Syntax,
    layout: Layout,
    still: Sequence[tuple[bytes, int]],
    idr_pic_id: int,
    rows: range,
) -> list[bytes]:
    """The slices of rows above or below the band, of the picture of `like`."""
    if like.is_idr:
        of_rows = [(unit, row) for unit, row in still if row in rows]
        return [_still(like, syntax, layout, each, idr_pic_id, rows) for each in of_rows]
    if not rows:
        return []
    return [_skipped(like, rows.start * layout.width, len(rows) * layout.width, syntax)]


def _still(
    like: Slice,
    syntax: Syntax,
    layout: Layout,
    still: tuple[bytes, int],
    idr_pic_id: int,
    rows: range,
) -> bytes:
    """An IDR slice of rows that do not change, as one of the picture of `like`."""
    unit, row = still
    each = parse_slice(unit, syntax)
    if not each.is_idr:
        raise UnsupportedStreamError("no IDR slice")
    if each.first_mb >= (rows.stop - row) * layout.width:
        raise UnsupportedStreamError("a slice begins behind its rows")
    of_picture = replace(each, nal=like.nal, identity=like.identity, poc=like.poc)
    return _moved(of_picture, row * layout.width, idr_pic_id, syntax)


def _skipped(like: Slice, first_mb: int, count: int, syntax: Syntax) -> bytes:
    """A slice in which `count` macroblocks repeat what the reference pictures have there.

    It is of the type of `like` (P beside I). Each macroblock is P_Skip or B_Skip: its predicted
    vectors are zero, as every neighbour that exists is skipped with zero, and all references are
    equal there, so that no implicit weight of B_Skip changes anything.
    """
    kind = B if like.kind == B else P
    if kind == B and syntax.weighted_b == 1:
        raise UnsupportedStreamError("explicit weights in B slices")
    head = ue(first_mb) + ue(kind) + like.identity + like.poc
    if kind == B:
        head += u(1, 1)  # spatial direct mode: temporal looks at other pictures' vectors
    head += u(1, 1) + (ue(0) + ue(0) if kind == B else ue(0))  # one reference
    head += u(0, 2 if kind == B else 1)  # in the initial order
    if kind == P and syntax.weighted_p:
        head += ue(0) + ue(0) + u(0, 2)  # no weights
    head += like.marking
    if syntax.cabac:
        head += ue(0)  # cabac_init_idc
    head += se(0) + ue(1)  # QP as the PPS has it, no deblocking
    if syntax.cabac:
        rbsp = head.to_bytes(1) + skips(count, syntax.initial_qp, 0, kind)
    else:
        rbsp = (head + ue(count) + u(1, 1)).to_bytes(0)
    return bytes([like.nal]) + escape(rbsp)


def _is_proven(band: list[Slice], syntax: Syntax, layout: Layout) -> bool:
    """Whether the band's guard rows are skipped: the upper begin the first slice."""
    guard = layout.guard_rows * layout.width
    is_lowest = layout.first_row + layout.rows == layout.total_rows
    last_mb = (layout.rows - layout.guard_rows) * layout.width
    return not guard or (
        (not layout.first_row or _skips(band[0], guard, syntax) >= guard)
        and (
            is_lowest or (band[-1].first_mb == last_mb and _skips(band[-1], guard, syntax) >= guard)
        )
    )


def _skips(each: Slice, limit: int, syntax: Syntax) -> int:
    """How many of the slice's first macroblocks are skipped, with vectors zero."""
    if each.kind == I:
        return 0
    if syntax.cabac:
        arguments = (each.qp, each.cabac_init, each.kind)
        return leading_skips(each.data, each.payload, limit, *arguments)
    return min(BitReader(each.data, each.end).ue(), limit)
