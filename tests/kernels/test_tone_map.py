from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_frames import Guarded, equal_planes, make_planes

from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.kernels.reference import tone_map as reference
from musetalk_fast.kernels.tone_map import ToneTable

SIDE = 3
DEEP, SHALLOW = ("yuv420p10le", "p010le"), ("yuv420p", "nv12", "yuva420p")


def make_table(seed: int = 1) -> ToneTable:
    rng, cells = np.random.default_rng(seed), SIDE * SIDE
    return ToneTable(
        side=SIDE,
        axis=rng.integers(0, 32 * SIDE, 1024, dtype=np.uint16),
        luma=rng.integers(0, 255 << 6, (cells, 1024, 4), dtype=np.int16),
        colour=rng.integers(0, 255 << 6, (cells, 256, 2, 4), dtype=np.int16),
    )


TABLE = make_table()


@settings(max_examples=30)
@given(
    st.integers(1, 35),
    st.integers(1, 6),
    st.sampled_from(DEEP),
    st.sampled_from(SHALLOW),
    st.integers(0, 9),
)
def test_it_equals_the_reference(
    across: int, down: int, deep: str, shallow: str, slack: int
) -> None:
    width, height = 2 * across, 2 * down
    source = make_planes(LAYOUTS[deep], width, height, seed=across, slack=slack)
    if deep == "yuv420p10le":
        source.samples(0)[0, 0] |= 0xFC00  # not of its ten bits
    got = make_planes(LAYOUTS[shallow], width, height, seed=1, slack=slack)
    expected = got.copy()
    TABLE.map(source, got)
    reference.tone_map(SIDE, TABLE.axis, TABLE.luma, TABLE.colour, source, expected)
    assert equal_planes(got, expected)


@pytest.mark.parametrize("width", [2, 4, 6, 34])
def test_stays_between_guards(width: int) -> None:
    planes = make_planes(LAYOUTS["yuv420p10le"], width, 4, seed=1)
    made = make_planes(LAYOUTS["yuv420p"], width, 4, seed=1)
    memory = [[Guarded(np.asarray(b).size) for b in each.buffers] for each in (planes, made)]
    for place in ("at_end", "at_start"):
        ends = []
        for each, guards in zip((planes, made), memory, strict=True):
            own = [
                getattr(m, place)(np.asarray(b)) for m, b in zip(guards, each.buffers, strict=True)
            ]
            ends.append(Planes(each.layout, width, 4, own, each.strides))
        TABLE.map(*ends)


def test_refuses_other_planes_and_tables_that_do_not_fit() -> None:
    deep, shallow = (make_planes(LAYOUTS[name], 8, 4, 1) for name in ("yuv420p10le", "yuv420p"))
    with pytest.raises(ValueError, match=r"yuv420p to yuv420p; not 4:2:0, 10 bits to 8"):
        TABLE.map(shallow, shallow)
    with pytest.raises(ValueError, match=r"8x4 to 8x6 pixels"):
        TABLE.map(deep, make_planes(LAYOUTS["yuv420p"], 8, 6, 1))
    odd = [make_planes(LAYOUTS[name], 7, 4, 1) for name in ("yuv420p10le", "yuv420p")]
    with pytest.raises(ValueError, match=r"7x4 to 7x4 pixels"):
        TABLE.map(*odd)
    with pytest.raises(ValueError, match="luma is int16"):
        ToneTable(SIDE + 1, TABLE.axis, TABLE.luma, TABLE.colour)
    with pytest.raises(ValueError, match="leads out of the table"):
        ToneTable(SIDE, TABLE.axis + np.uint16(32), TABLE.luma, TABLE.colour)
