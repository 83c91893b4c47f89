"""CABAC slice data of skipped macroblocks: written, and recognised without decoding the rest.

Of all contexts only that of a skip flag whose neighbours are skipped or missing is needed.
"""

from __future__ import annotations

from musetalk_fast.kernels.h264_bits import BitReader, Bits
from musetalk_fast.kernels.reference.h264_slice import B, P

LPS_RANGE = (
    (128, 176, 208, 240), (128, 167, 197, 227), (128, 158, 187, 216), (123, 150, 178, 205),
    (116, 142, 169, 195), (111, 135, 160, 185), (105, 128, 152, 175), (100, 122, 144, 166),
    (95, 116, 137, 158), (90, 110, 130, 150), (85, 104, 123, 142), (81, 99, 117, 135),
    (77, 94, 111, 128), (73, 89, 105, 122), (69, 85, 100, 116), (66, 80, 95, 110),
    (62, 76, 90, 104), (59, 72, 86, 99), (56, 69, 81, 94), (53, 65, 77, 89),
    (51, 62, 73, 85), (48, 59, 69, 80), (46, 56, 66, 76), (43, 53, 63, 72),
    (41, 50, 59, 69), (39, 48, 56, 65), (37, 45, 54, 62), (35, 43, 51, 59),
    (33, 41, 48, 56), (32, 39, 46, 53), (30, 37, 43, 50), (29, 35, 41, 48),
    (27, 33, 39, 45), (26, 31, 37, 43), (24, 30, 35, 41), (23, 28, 33, 39),
    (22, 27, 32, 37), (21, 26, 30, 35), (20, 24, 29, 33), (19, 23, 27, 31),
    (18, 22, 26, 30), (17, 21, 25, 28), (16, 20, 23, 27), (15, 19, 22, 25),
    (14, 18, 21, 24), (14, 17, 20, 23), (13, 16, 19, 22), (12, 15, 18, 21),
    (12, 14, 17, 20), (11, 14, 16, 19), (11, 13, 15, 18), (10, 12, 15, 17),
    (10, 12, 14, 16), (9, 11, 13, 15), (9, 11, 12, 14), (8, 10, 12, 14),
    (8, 9, 11, 13), (7, 9, 11, 12), (7, 9, 10, 12), (7, 8, 10, 11),
    (6, 8, 9, 11), (6, 7, 9, 10), (6, 7, 8, 9), (2, 2, 2, 2),
)  # fmt: skip
"""`rangeTabLPS` (table 9-44)."""

NEXT_LPS = (
    *(0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19),
    *(21, 21, 22, 22, 23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33),
    *(33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63),
)
"""`transIdxLPS` (table 9-45)."""

SKIP_CONTEXT = {P: ((23, 33), (22, 25), (29, 16)), B: ((18, 64), (26, 34), (20, 40))}
"""(m, n) of contexts 11 (P) and 24 (B) for each `cabac_init_idc` (tables 9-13 and 9-14)."""


def _initial_state(qp: int, init: int, kind: int) -> tuple[int, int]:
    """`pStateIdx` and `valMPS` (clause 9.3.1.1)."""
    m, n = SKIP_CONTEXT[kind][init]
    state = min(max(((m * min(max(qp, 0), 51)) >> 4) + n, 1), 126)
    return (63 - state, 0) if state <= 63 else (state - 64, 1)


class _Encoder:
    """The arithmetic encoder (clause 9.3.4)."""

    def __init__(self) -> None:
        self.low, self.range = 0, 510
        self._outstanding = 0
        self._bits: list[int] = []

    def renormalise(self) -> None:
        while self.range < 256:
            if self.low < 256:
                self._put(0)
            elif self.low >= 512:
                self.low -= 512
                self._put(1)
            else:
                self.low -= 256
                self._outstanding += 1
            self.low <<= 1
            self.range <<= 1

    def finish(self) -> Bits:
        """Terminate; the last bit is the stop bit."""
        self.low += self.range
        self.range = 2
        self.renormalise()
        self._put(self.low >> 9 & 1)
        # The first bit says nothing and is not written (clause 9.3.4.2).
        bits = [*self._bits[1:], self.low >> 8 & 1, 1]
        return Bits(int("".join(map(str, bits)), 2), len(bits))

    def _put(self, bit: int) -> None:
        self._bits += [bit, *[1 - bit] * self._outstanding]
        self._outstanding = 0


def skips(count: int, qp: int, init: int, kind: int) -> bytes:
    """CABAC slice data of `count` skipped macroblocks, trailing bits included.

    Args:
        count: at least 1.
        qp: luma quantiser of the slice.
        init: `cabac_init_idc`.
        kind: P or B.
    """
    state, mps = _initial_state(qp, init, kind)
    code = _Encoder()
    for number in range(count):
        lps = LPS_RANGE[state][code.range >> 6 & 3]
        code.range -= lps
        if mps:
            state = min(state + 1, 62)
        else:
            code.low += code.range
            code.range = lps
            mps = int(state == 0)
            state = NEXT_LPS[state]
        code.renormalise()
        code.range -= 2  # end_of_slice_flag
        if number + 1 < count:
            code.renormalise()
    return code.finish().to_bytes(0)


def leading_skips(data: bytes, start: int, limit: int, qp: int, init: int, kind: int) -> int:
    """How many macroblocks are skipped at the beginning of CABAC slice data.

    Args:
        data: RBSP of the slice.
        start: byte where the slice data begins.
        limit: most to look at.

    Raises:
        UnsupportedStreamError: the data is cut off.
    """
    state, mps = _initial_state(qp, init, kind)
    bits = BitReader(data, start * 8)
    width, offset = 510, bits.u(9)
    for number in range(limit):
        lps = LPS_RANGE[state][width >> 6 & 3]
        width -= lps
        if offset >= width:
            offset, width, flag = offset - width, lps, 1 - mps
            mps = 1 - mps if state == 0 else mps
            state = NEXT_LPS[state]
        else:
            flag, state = mps, min(state + 1, 62)
        shift = 9 - width.bit_length()
        width, offset = width << shift, offset << shift | bits.u(shift)
        if not flag:
            return number
        width -= 2
        if offset >= width:  # end_of_slice_flag
            return number + 1
        if width < 256:
            width, offset = width << 1, offset << 1 | bits.u(1)
    return limit
