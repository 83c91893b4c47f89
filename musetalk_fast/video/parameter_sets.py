"""SPS and PPS of an H.264 stream, as far as composing pictures depends on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from musetalk_fast.kernels.h264 import Syntax
from musetalk_fast.kernels.h264_bits import (
    PPS,
    SPS,
    BitReader,
    Bits,
    UnsupportedStreamError,
    split_nal_units,
    stop_bit,
    unescape,
)

_HIGH_PROFILES = (100, 110, 122, 244)
"""Whose SPS names the chroma format (clause 7.3.2.1.1)."""

_VECTOR_BITS = 7
"""`log2_max_mv_length_vertical` of 32 pixels in quarters of one: what the guard rows hold."""

_EXTENDED_SAR = 255


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """An SPS (clause 7.3.2.1.1): progressive, 8-bit 4:2:0.

    Attributes:
        rows: macroblock rows.
        crop: left, right, top, bottom in units of two pixels.
        vui: the usability information (annex E), not taken apart.
    """

    profile: int
    constraints: int
    level: int
    number: int
    frame_num_bits: int
    poc_lsb_bits: int
    references: int
    width: int
    rows: int
    direct_8x8_inference: int
    crop: tuple[int, int, int, int]
    vui: Bits

    def codes_like(self, other: SequenceParameters) -> bool:
        """Whether slices of both may stand in one picture: only height, crop and level differ."""
        nothing = (0, 0, 0, 0)
        return replace(self, rows=0, crop=nothing, level=0) == replace(
            other, rows=0, crop=nothing, level=0
        )


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """Both parameter sets of an encoder.

    Attributes:
        sps_unit: the NAL unit; so `pps_unit`.
    """

    sps_unit: bytes
    pps_unit: bytes
    sequence: SequenceParameters
    syntax: Syntax

    @classmethod
    def read(cls, headers: bytes) -> ParameterSets:
        """Those of an encoder's extradata, Annex B.

        Raises:
            UnsupportedStreamError: there are not one of each, or they use what is not known here.
        """
        units = split_nal_units(headers)
        (sps,) = _only(unit for unit in units if unit[0] & 31 == SPS)
        (pps,) = _only(unit for unit in units if unit[0] & 31 == PPS)
        sequence = _read_sps(sps)
        return cls(sps, pps, sequence, _read_pps(pps, sequence))

    def compose_with(self, other: ParameterSets) -> bool:
        """Whether slices of both may stand in one picture."""
        return self.pps_unit == other.pps_unit and self.sequence.codes_like(other.sequence)


def _only(units: Iterable[bytes]) -> list[bytes]:
    found = list(units)
    if len(found) != 1:
        raise UnsupportedStreamError("not one SPS and one PPS")
    return found


def _read_sps(unit: bytes) -> SequenceParameters:
    bits = BitReader(unescape(unit[1:]))
    profile, constraints, level, number = bits.u(8), bits.u(8), bits.u(8), bits.ue()
    if profile in _HIGH_PROFILES:
        if (bits.ue(), bits.ue(), bits.ue()) != (1, 0, 0):
            raise UnsupportedStreamError("not 8-bit 4:2:0")
        if bits.u(2):
            raise UnsupportedStreamError("lossless or scaling matrices")
    frame_num_bits = bits.ue() + 4
    poc_type = bits.ue()
    if poc_type == 1:
        raise UnsupportedStreamError("picture order count of type 1")
    poc_lsb_bits = bits.ue() + 4 if poc_type == 0 else 0
    references = bits.ue()
    bits.u(1)  # gaps_in_frame_num_value_allowed_flag
    width, rows = bits.ue() + 1, bits.ue() + 1
    if not bits.u(1):
        raise UnsupportedStreamError("interlaced")
    direct = bits.u(1)
    crop = (bits.ue(), bits.ue(), bits.ue(), bits.ue()) if bits.u(1) else (0, 0, 0, 0)
    if max(frame_num_bits, poc_lsb_bits) > 16:
        raise UnsupportedStreamError("counters of more than 16 bits")
    place = bits.place
    vector_bits = _read_vector_bits(bits)
    if vector_bits > _VECTOR_BITS:
        raise UnsupportedStreamError(
            f"vectors of 2**{vector_bits} quarter pixels; guard rows hold 2**{_VECTOR_BITS}"
        )
    bits.place = stop_bit(bits.data)
    return SequenceParameters(
        *(profile, constraints, level, number, frame_num_bits, poc_lsb_bits, references),
        *(width, rows, direct, crop, bits.since(place)),
    )


def _read_vector_bits(bits: BitReader) -> int:
    """`log2_max_mv_length_vertical` of the usability information (clause E.1.1).

    Raises:
        UnsupportedStreamError: nothing bounds vectors, or a hypothetical decoder is described.
    """
    if not bits.u(1):
        raise UnsupportedStreamError("no usability information")
    if bits.u(1) and bits.u(8) == _EXTENDED_SAR:
        bits.u(32)
    if bits.u(1):  # overscan_info_present_flag
        bits.u(1)
    if bits.u(1):  # video_signal_type_present_flag
        bits.u(4)
        if bits.u(1):
            bits.u(24)
    if bits.u(1):  # chroma_loc_info_present_flag
        bits.ue(), bits.ue()
    if bits.u(1):  # timing_info_present_flag
        bits.u(32), bits.u(32), bits.u(1)
    if bits.u(2):
        raise UnsupportedStreamError("parameters of a hypothetical reference decoder")
    bits.u(1)  # pic_struct_present_flag
    if not bits.u(1):
        raise UnsupportedStreamError("no bound on vectors")
    bits.u(1), bits.ue(), bits.ue(), bits.ue()
    return bits.ue()


def _read_pps(unit: bytes, sequence: SequenceParameters) -> Syntax:
    bits = BitReader(unescape(unit[1:]))
    number, of_sps, cabac, poc_present = bits.ue(), bits.ue(), bits.u(1), bits.u(1)
    if of_sps != sequence.number:
        raise UnsupportedStreamError("the PPS of another SPS")
    if bits.ue():
        raise UnsupportedStreamError("slice groups")
    references = (bits.ue() + 1, bits.ue() + 1)
    weighted_p, weighted_b = bits.u(1), bits.u(2)
    initial_qp = 26 + bits.se()
    bits.se(), bits.se()
    if not bits.u(1):
        raise UnsupportedStreamError("no deblocking control")
    bits.u(1)  # constrained_intra_pred_flag
    if bits.u(1):
        raise UnsupportedStreamError("redundant pictures")
    if not 0 <= initial_qp <= 51:
        raise UnsupportedStreamError(f"an initial QP of {initial_qp}")
    return Syntax(
        *(sequence.frame_num_bits, sequence.poc_lsb_bits, number, cabac, poc_present),
        *(*references, weighted_p, weighted_b, initial_qp),
    )
