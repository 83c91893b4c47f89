"""A slice of an H.264 picture: its header read, its data left as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from musetalk_fast.kernels.h264_bits import IDR, BitReader, Bits, UnsupportedStreamError, unescape

P, B, I = 0, 1, 2  # noqa: E741 - the standard's names of slice types
"""`slice_type` modulo 5 (table 7-6)."""

_MAX_REFERENCES = 32


class Syntax(NamedTuple):
    """What a slice's syntax depends on (clauses 7.3.2.1.1, 7.3.2.2): progressive 8-bit 4:2:0."""

    frame_num_bits: int
    """`log2_max_frame_num_minus4` + 4."""
    poc_lsb_bits: int
    """`log2_max_pic_order_cnt_lsb_minus4` + 4; 0 where `pic_order_cnt_type` is 2."""
    pps_id: int
    cabac: int
    """`entropy_coding_mode_flag`."""
    poc_present: int
    """`bottom_field_pic_order_in_frame_present_flag`."""
    references_0: int
    """`num_ref_idx_l0_default_active_minus1` + 1."""
    references_1: int
    weighted_p: int
    weighted_b: int
    """`weighted_bipred_idc`."""
    initial_qp: int
    """26 + `pic_init_qp_minus26`."""


@dataclass(frozen=True)
class Slice:
    """A slice as its encoder wrote it, its header taken apart."""

    nal: int
    """First byte of the NAL unit: `nal_ref_idc` and `nal_unit_type`."""
    first_mb: int
    kind: int
    identity: Bits
    """`pic_parameter_set_id` and `frame_num`."""
    poc: Bits
    middle: Bits
    """All between the picture order count and `disable_deblocking_filter_idc`."""
    marking: Bits
    """`dec_ref_pic_marking`, of `middle`."""
    deblocking: int
    offsets: Bits
    data: bytes
    """RBSP."""
    end: int
    """Bits of the header."""
    qp: int
    cabac_init: int

    @property
    def is_idr(self) -> bool:
        """Whether it is of an IDR picture."""
        return self.nal & 31 == IDR

    @property
    def payload(self) -> int:
        """Byte where CABAC slice data begins."""
        return (self.end + 7) >> 3

    @property
    def stop_bit(self) -> int:
        """Place of the last bit that is set.

        Raises:
            UnsupportedStreamError: none behind the header is.
        """
        last = self.data.rstrip(b"\x00")
        place = len(last) * 8 - (last[-1] & -last[-1]).bit_length() if last else 0
        if place < self.end:
            raise UnsupportedStreamError("a slice without data")
        return place


def parse_slice(unit: bytes, syntax: Syntax) -> Slice:
    """Take a NAL unit's slice header apart (clause 7.3.3).

    Raises:
        UnsupportedStreamError: it uses what is not known here, or is damaged.
    """
    if not unit:
        raise UnsupportedStreamError("an empty NAL unit")
    data = unescape(unit[1:])
    bits = BitReader(data)
    is_reference, is_idr = unit[0] >> 5 & 3, unit[0] & 31 == IDR
    first_mb, kind = bits.ue(), bits.ue() % 5
    if kind > I:
        raise UnsupportedStreamError("a switching slice")
    place = bits.place
    if bits.ue() != syntax.pps_id:
        raise UnsupportedStreamError("another PPS")
    bits.u(syntax.frame_num_bits)
    identity = bits.since(place)
    if is_idr:
        bits.ue()
    place = bits.place
    bits.u(syntax.poc_lsb_bits)
    if syntax.poc_present and syntax.poc_lsb_bits:
        bits.se()
    poc = bits.since(place)
    place = bits.place
    _skip_references(bits, kind, syntax)
    marking_place = bits.place
    if is_reference:
        _skip_marking(bits, is_idr)
    marking = bits.since(marking_place)
    cabac_init = bits.ue() if syntax.cabac and kind != I else 0
    if cabac_init > 2:
        raise UnsupportedStreamError("no such table of contexts")
    qp = syntax.initial_qp + bits.se()
    middle = bits.since(place)
    deblocking = bits.ue()
    place = bits.place
    if deblocking != 1:
        bits.se(), bits.se()
    return Slice(
        *(unit[0], first_mb, kind, identity, poc, middle, marking, deblocking),
        *(bits.since(place), data, bits.place, qp, cabac_init),
    )


def _skip_references(bits: BitReader, kind: int, syntax: Syntax) -> None:
    """Read over lists of references and weights."""
    if kind == I:
        return
    counts = [syntax.references_0, syntax.references_1][: 2 if kind == B else 1]
    if kind == B:
        bits.u(1)  # direct_spatial_mv_pred_flag
    is_overridden = bits.u(1)
    for number, by_default in enumerate(counts):
        counts[number] = bits.ue() + 1 if is_overridden else by_default
        if counts[number] > _MAX_REFERENCES:
            raise UnsupportedStreamError("too many references")
    for _ in counts:
        if bits.u(1):
            while bits.ue() != 3:
                bits.ue()
    if (kind == P and syntax.weighted_p) or (kind == B and syntax.weighted_b == 1):
        _skip_weights(bits, sum(counts))


def _skip_weights(bits: BitReader, count: int) -> None:
    bits.ue(), bits.ue()
    for _ in range(count):
        if bits.u(1):
            bits.se(), bits.se()
        if bits.u(1):
            bits.se(), bits.se(), bits.se(), bits.se()


def _skip_marking(bits: BitReader, is_idr: bool) -> None:
    if is_idr:
        bits.u(2)
    elif bits.u(1):
        while operation := bits.ue():
            if operation == 5:
                raise UnsupportedStreamError("a memory reset")
            if operation in (1, 3):
                bits.ue()
            if operation in (2, 3, 4, 6):
                bits.ue()
