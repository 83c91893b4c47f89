from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_frames import Guarded, equal_planes, make_planes

from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.paste_tables import tables
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.kernels.reference import paste as paste_reference
from musetalk_fast.kernels.reference import tone_map as reference
from musetalk_fast.kernels.tone_map import CropTable, ToneTable
from musetalk_fast.kernels.yuv_matrix import conversion
from musetalk_fast.types import Box, Face

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


def make_crop_table() -> CropTable:
    rng = np.random.default_rng(2)
    nodes = rng.integers(0, 1 << 14, (33, 33, 33, 4), dtype=np.int16)
    node, place = rng.integers(0, 32, 256), rng.integers(0, 33, 256)
    return CropTable(axis=(node << 6 | place).astype(np.uint16), nodes=nodes)


CROPS = make_crop_table()


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_crops_equal_the_reference(rows: int) -> None:
    rgb = np.random.default_rng(rows).integers(0, 256, (rows, 256, 3), dtype=np.uint8)
    expected = np.empty((3, rows * 256), np.int16)
    reference.crop_map(CROPS.axis, CROPS.nodes, rgb.reshape(-1, 3), expected)
    assert np.array_equal(CROPS.components(rgb), expected.reshape(3, rows, 256))


@pytest.mark.parametrize("name", [*DEEP, "yuv422p10le"])
def test_a_crop_is_pasted_by_its_table(name: str) -> None:
    layout, size = LAYOUTS[name], (120, 90)
    face = Face(0, Box(-5, 10, 100, 130), Box(11, 21, 70, 60), np.full((60, 70), 180, np.uint8))
    crop = np.random.default_rng(3).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    avatar = make_planes(layout, *size, seed=4)
    got, expected = avatar.copy(), avatar.copy()
    paste = Paste(face, *size, layout, table=CROPS)
    first = paste.rows.first
    prepared = tables(face, size, layout, conversion("bt709", 10, full_range=False), sharp=False)
    paste_reference.paste_components(prepared, CROPS.components(crop), 0, avatar, expected)
    for start, stop in ((0, 256), (first, first + paste.rows.count)):
        got = avatar.copy()
        paste.paste(crop[start:stop], start, got, avatar)
        assert equal_planes(got, expected)
    assert not equal_planes(got, avatar)


def test_refuses_tables_of_crops_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="nodes is int16"):
        CropTable(CROPS.axis, CROPS.nodes[1:])
    with pytest.raises(ValueError, match="leads out of the table"):
        CropTable(CROPS.axis + np.uint16(64), CROPS.nodes)
