"""Composed H.264 pictures: native and reference agree, and what comes out can be read again."""

from __future__ import annotations

import random

from kernel_targets import exact
from mutation import mutated
from target import Target

from musetalk_fast.kernels import native
from musetalk_fast.kernels.h264 import Layout, Syntax
from musetalk_fast.kernels.h264_bits import (
    IDR,
    NON_IDR,
    PPS,
    SEI,
    SPS,
    START_CODE,
    Bits,
    UnsupportedStreamError,
    escape,
    se,
    split_nal_units,
    u,
    ue,
)
from musetalk_fast.kernels.reference import h264 as reference
from musetalk_fast.kernels.reference.h264_skips import skips
from musetalk_fast.kernels.reference.h264_slice import B, I, P, parse_slice
from musetalk_fast.video.parameter_sets import ParameterSets

_SEED_BYTES = 12
"""Of the composer's input, before the packet: what the slices are read with is drawn from them."""


class _Slices:
    """Draws slices with all that a header can have, for one syntax and layout."""

    def __init__(self, seed: bytes) -> None:
        self.rng = rng = random.Random(seed)
        self.syntax = Syntax(
            frame_num_bits=rng.randint(4, 16),
            poc_lsb_bits=rng.choice((0, rng.randint(4, 16))),
            pps_id=rng.choice((0, 0, rng.randint(0, 255))),
            cabac=rng.randint(0, 1),
            poc_present=rng.randint(0, 1),
            references_0=rng.randint(1, 4),
            references_1=rng.randint(1, 2),
            weighted_p=rng.randint(0, 1),
            weighted_b=rng.choice((0, 0, 2, 1)),
            initial_qp=rng.randint(0, 51),
        )
        above, guard, more, below = (rng.randint(0, 3) for _ in range(4))
        rows = 2 * guard + more + 1
        self.layout = Layout(rng.randint(1, 9), above, rows, above + rows + below, guard)
        self.idr_pic_id = rng.randint(0, 3)
        self.is_damaged = False
        self.still = [*self._part(0, above), *self._part(above + rows, below)]

    def _part(self, row: int, rows: int) -> list[tuple[bytes, int]]:
        """One or two IDR slices of rows that do not change."""
        places = [0] if rows else []
        if rows and self.rng.random() < 0.3 and rows * self.layout.width > 1:
            places.append(self.rng.randint(1, rows * self.layout.width - 1))
        units = [self._slice(IDR | 0x60, I, at, self._identity(), 1) for at in places]
        if self.rng.random() < 0.05:
            self.is_damaged = True
            units = [mutated(self.rng, unit, unit) for unit in units]
        return [(unit, row) for unit in units]

    def packet(self) -> bytes:
        """An access unit of the band."""
        rng, layout = self.rng, self.layout
        is_idr = rng.random() < 0.3
        nal = (IDR if is_idr else NON_IDR) | rng.choice((0x20, 0x60, 0x60 if is_idr else 0))
        kind = I if is_idr else rng.choice((P, P, B, I))
        upper = (layout.rows - layout.guard_rows) * layout.width
        counts = [upper, layout.guard_rows * layout.width] if layout.guard_rows else [upper]
        if rng.random() < 0.1:
            counts = [rng.randint(1, 9) for _ in range(rng.randint(1, 5))]
        units = [bytes([rng.choice((SEI, 9, 12)), *rng.randbytes(rng.randint(0, 9)), 0x80])]
        units = rng.choice(([], units))
        identity, first_mb = self._identity(), 0
        for count in counts:
            units.append(self._slice(nal, kind, first_mb, identity, count))
            first_mb += count
        return b"".join(rng.choice((START_CODE, START_CODE[1:])) + unit for unit in units)

    def _identity(self) -> tuple[Bits, Bits]:
        syntax, rng = self.syntax, self.rng
        poc = u(rng.getrandbits(syntax.poc_lsb_bits), syntax.poc_lsb_bits)
        if syntax.poc_present and syntax.poc_lsb_bits:
            poc += se(rng.randint(-3, 3))
        number = u(rng.getrandbits(syntax.frame_num_bits), syntax.frame_num_bits)
        return ue(syntax.pps_id) + number, poc

    def _slice(
        self, nal: int, kind: int, first_mb: int, identity: tuple[Bits, Bits], count: int
    ) -> bytes:
        syntax, rng = self.syntax, self.rng
        head = ue(first_mb) + ue(kind + rng.choice((0, 5))) + identity[0]
        if nal & 31 == IDR:
            head += ue(rng.choice((0, 1, 65535)))
        head += identity[1] + self._references(kind)
        if nal >> 5:
            head += u(rng.randint(0, 3), 2) if nal & 31 == IDR else self._marking()
        init = rng.randint(0, 2)
        if syntax.cabac and kind != I:
            head += ue(init)
        delta = rng.randint(-6, 6)
        deblocking = rng.randint(0, 2)
        head += se(delta) + ue(deblocking)
        if deblocking != 1:
            head += se(rng.randint(-6, 6)) + se(rng.randint(-6, 6))
        skipped = rng.choice((count, rng.randint(0, count)))
        noise = rng.randbytes(rng.randint(0, 30)).replace(b"\0", rng.choice((b"\0", b"\1")))
        if not syntax.cabac:
            rest = u(int.from_bytes(noise, "big"), 8 * len(noise)) + u(1, 1)
            rbsp = (head + ue(skipped) + rest).to_bytes(0)
        elif kind == I or not skipped:
            rbsp = head.to_bytes(1) + noise + b"\x80"
        else:
            rbsp = head.to_bytes(1) + skips(skipped, syntax.initial_qp + delta, init, kind)
        return bytes([nal]) + escape(rbsp)

    def _references(self, kind: int) -> Bits:
        syntax, rng = self.syntax, self.rng
        bits = Bits()
        if kind == I:
            return bits
        counts = [syntax.references_0, syntax.references_1][: 2 if kind == B else 1]
        if kind == B:
            bits += u(rng.randint(0, 1), 1)
        is_overridden = rng.randint(0, 1)
        bits += u(is_overridden, 1)
        if is_overridden:
            counts = [rng.choice((1, 2, 32)) for _ in counts]
            bits += sum((ue(count - 1) for count in counts), Bits())
        for _ in counts:
            changes = rng.choice((0, 0, rng.randint(1, 3)))
            bits += u(1 if changes else 0, 1)
            for _ in range(changes):
                bits += ue(rng.randint(0, 2)) + ue(rng.choice((0, 5, 65535)))
            bits += ue(3) if changes else Bits()
        if (kind == P and syntax.weighted_p) or (kind == B and syntax.weighted_b == 1):
            bits += ue(rng.randint(0, 7)) + ue(rng.randint(0, 7))
            for _ in range(sum(counts)):
                for parts in (2, 4):
                    has_weights = rng.randint(0, 1)
                    bits += u(has_weights, 1)
                    for _ in range(parts * has_weights):
                        bits += se(rng.randint(-128, 127))
        return bits

    def _marking(self) -> Bits:
        rng = self.rng
        operations = rng.choice((0, 0, rng.randint(1, 3)))
        bits = u(1 if operations else 0, 1)
        for _ in range(operations):
            operation = rng.choice((1, 2, 3, 4, 6))
            bits += ue(operation)
            for _ in range(2 if operation == 3 else 1):
                bits += ue(rng.choice((0, 1, 40)))
        return bits + ue(0) if operations else bits


def _make_picture(rng: random.Random) -> bytes:
    seed = rng.randbytes(_SEED_BYTES)
    return seed + _Slices(seed).packet()


def _composed(form: object, packet: object, slices: _Slices) -> tuple[bytes, bool, bool] | str:
    arguments = (packet, slices.syntax, slices.layout, slices.still, slices.idr_pic_id)
    try:
        return tuple(form.compose(*arguments))  # type: ignore[attr-defined]
    except UnsupportedStreamError as error:
        return str(error)


def _feed_picture(data: bytes) -> bool:
    slices, packet = _Slices(data[:_SEED_BYTES]), data[_SEED_BYTES:]
    expected = _composed(reference, packet, slices)
    kernel = native.load("h264")
    if kernel is not None:
        arguments = (tuple(slices.syntax), tuple(slices.layout), slices.still, slices.idr_pic_id)
        made = kernel.compose(exact(packet), *arguments)
        assert made == expected, (made, expected)
    if isinstance(expected, str):
        raise UnsupportedStreamError(expected)
    _read_again(expected[0], packet, slices)
    return True


def _read_again(stream: bytes, packet: bytes, slices: _Slices) -> None:
    """All slices are of the band's picture, in order, and the band's have nothing else changed."""
    syntax, layout = slices.syntax, slices.layout
    band, picture = (
        [parse_slice(unit, syntax) for unit in split_nal_units(data) if unit[0] & 31 in (1, 5)]
        for data in (packet, stream)
    )
    first_mb = layout.first_row * layout.width
    places = [each.first_mb for each in picture]
    assert {(each.nal, each.identity, each.poc) for each in picture} == {
        (band[0].nal, band[0].identity, band[0].poc)
    }
    for each in band:
        moved = picture[places.index(first_mb + each.first_mb)]
        assert (moved.kind, moved.middle, moved.offsets) == (each.kind, each.middle, each.offsets)
        if syntax.cabac:
            assert moved.data[moved.payload :] == each.data[each.payload :]
    outside = [place for place in places if not 0 <= place - first_mb < layout.rows * layout.width]
    assert len(places) == len(band) + len(outside)
    assert slices.is_damaged or places == sorted(set(places))
    if not band[0].is_idr:
        end = layout.first_row + layout.rows
        assert len(outside) == (layout.first_row > 0) + (layout.total_rows > end)


def _make_headers(rng: random.Random) -> bytes:
    """SPS and PPS as libx264 writes them, with other numbers in them."""
    profile = rng.choice((66, 77, 100))
    sps = u(profile, 8) + u(rng.getrandbits(8), 8) + u(rng.randint(10, 51), 8) + ue(0)
    if profile == 100:
        sps += ue(1) + ue(0) + ue(0) + u(0, 2)
    poc_type = rng.choice((0, 2))
    sps += ue(rng.randint(0, 12)) + ue(poc_type)
    if poc_type == 0:
        sps += ue(rng.randint(0, 12))
    sps += ue(rng.randint(1, 5)) + u(0, 1) + ue(rng.randint(0, 120)) + ue(rng.randint(0, 68))
    sps += u(1, 1) + u(1, 1)
    sps += u(1, 1) + ue(0) + ue(7) + ue(0) + ue(4) if rng.random() < 0.5 else u(0, 1)
    sps += u(1, 1) + (u(1, 1) + u(255, 8) + u(1 << 16 | 1, 32) if rng.random() < 0.5 else u(0, 1))
    sps += u(0, 1) + u(1, 1) + u(10, 4) + u(1, 1) + u(0x010101, 24) + u(0, 1)
    sps += u(1, 1) + u(1, 32) + u(50, 32) + u(1, 1) + u(0, 2) + u(0, 1)
    sps += u(1, 1) + u(1, 1) + ue(0) + ue(0) + ue(11) + ue(rng.randint(5, 7)) + ue(2) + ue(4)
    pps = ue(0) + ue(0) + u(rng.randint(0, 1), 1) + u(0, 1) + ue(0)
    pps += ue(rng.randint(0, 15)) + ue(0) + u(rng.randint(0, 1), 1) + u(rng.randint(0, 2), 2)
    pps += se(rng.randint(-26, 25)) + se(0) + se(-2) + u(1, 1) + u(0, 2)
    units = (b"\x67" + (sps + u(1, 1)).to_bytes(0), b"\x68" + (pps + u(1, 1)).to_bytes(0))
    return b"".join(START_CODE + unit[:1] + escape(unit[1:]) for unit in units)


def _feed_headers(data: bytes) -> bool:
    sets = ParameterSets.read(data)
    assert [sets.sps_unit[0] & 31, sets.pps_unit[0] & 31] == [SPS, PPS]
    assert sets.compose_with(sets)
    return True


TARGETS = (
    Target("h264", _make_picture, _feed_picture, (UnsupportedStreamError,)),
    Target("headers", _make_headers, _feed_headers, (UnsupportedStreamError,)),
)
