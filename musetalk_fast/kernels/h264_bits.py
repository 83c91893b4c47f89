"""Bits of an H.264 byte stream: NAL units, Exp-Golomb codes, emulation prevention."""

from __future__ import annotations

import re
from dataclasses import dataclass

START_CODE = b"\x00\x00\x00\x01"
NON_IDR, IDR, SEI, SPS, PPS = 1, 5, 6, 7, 8
"""`nal_unit_type` (ITU-T H.264, table 7-1)."""

_MAX_ZEROS = 31
_EMULATION = re.compile(rb"\x00\x00(?=[\x00-\x03])")


class UnsupportedStreamError(ValueError):
    """The stream uses what is not known here, or is damaged."""


class BitReader:
    """Bits of an RBSP, most significant first.

    Args:
        data: without emulation prevention.
        place: of the first bit to read.
    """

    def __init__(self, data: bytes, place: int = 0) -> None:
        self.data = data
        self.place = place

    def u(self, count: int) -> int:
        """An unsigned number of so many bits.

        Raises:
            UnsupportedStreamError: there are not so many.
        """
        first, last = self.place >> 3, (self.place + count + 7) >> 3
        if last > len(self.data):
            raise UnsupportedStreamError("a header is cut off")
        word = int.from_bytes(self.data[first:last], "big")
        word >>= (last << 3) - self.place - count
        self.place += count
        return word & ((1 << count) - 1)

    def ue(self) -> int:
        """An unsigned Exp-Golomb code (clause 9.1), below 2**32 - 1.

        Raises:
            UnsupportedStreamError: there is none.
        """
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _MAX_ZEROS:
                raise UnsupportedStreamError("not an Exp-Golomb code")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb code (clause 9.1.1).

        Raises:
            UnsupportedStreamError: there is none.
        """
        code = self.ue()
        return (code + 1) >> 1 if code & 1 else -(code >> 1)

    def since(self, place: int) -> Bits:
        """The bits from a place up to here."""
        return Bits(BitReader(self.data, place).u(self.place - place), self.place - place)


@dataclass(frozen=True)
class Bits:
    """A string of bits: the `count` low bits of `value`."""

    value: int = 0
    count: int = 0

    def __add__(self, other: Bits) -> Bits:
        return Bits(self.value << other.count | other.value, self.count + other.count)

    def to_bytes(self, fill: int) -> bytes:
        """Whole bytes, the last one filled up with `fill` (0 or 1) bits."""
        spare = -self.count % 8
        value = self.value << spare | (((1 << spare) - 1) if fill else 0)
        return value.to_bytes((self.count + spare) // 8, "big")


def u(value: int, count: int) -> Bits:
    """An unsigned number of so many bits."""
    return Bits(value, count)


def ue(value: int) -> Bits:
    """An unsigned Exp-Golomb code."""
    return Bits(value + 1, 2 * (value + 1).bit_length() - 1)


def se(value: int) -> Bits:
    """A signed Exp-Golomb code."""
    return ue(2 * value - 1 if value > 0 else -2 * value)


def split_nal_units(stream: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, without start codes."""
    units = []
    at = stream.find(b"\x00\x00\x01")
    while at >= 0:
        start = at + 3
        at = stream.find(b"\x00\x00\x01", start)
        unit = stream[start : at if at >= 0 else None].rstrip(b"\x00")
        if unit:
            units.append(unit)
    return units


def escape(rbsp: bytes) -> bytes:
    """With emulation prevention bytes (clause 7.4.1.1)."""
    return _EMULATION.sub(b"\x00\x00\x03", rbsp) if b"\x00\x00" in rbsp else rbsp


def unescape(payload: bytes) -> bytes:
    """Without emulation prevention bytes."""
    return payload.replace(b"\x00\x00\x03", b"\x00\x00")


def stop_bit(rbsp: bytes) -> int:
    """Place of `rbsp_stop_one_bit` (clause 7.3.2.11), the last bit that is set.

    Raises:
        UnsupportedStreamError: none is.
    """
    last = rbsp.rstrip(b"\x00")
    if not last:
        raise UnsupportedStreamError("a NAL unit without data")
    return len(last) * 8 - (last[-1] & -last[-1]).bit_length()
