from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_frames import Guarded, make_planes
from kernel_sets import LEVELS, held_at

from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.kernels.reference import rgb as reference
from musetalk_fast.kernels.rgb import inverse, to_rgb
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import LUMA_WEIGHTS, coding_of
from musetalk_fast.media.video.filter_graph import FrameFilter
from musetalk_fast.media.video.frame_filter import scale_filter
from musetalk_fast.types import Box, ColourTags

LAYOUT = LAYOUTS["yuv420p"]
matrices = st.sampled_from(sorted(LUMA_WEIGHTS))


@settings(max_examples=60)
@given(st.data(), st.integers(1, 40), st.integers(1, 12), matrices, st.booleans())
def test_every_set_equals_the_reference(
    data: st.DataObject, columns: int, rows: int, matrix: str, full: bool
) -> None:
    width, height = 2 * columns, 2 * rows
    planes = make_planes(LAYOUT, width, height, seed=width, slack=3)
    if data.draw(st.booleans()):  # only the ends of the codes: the largest sums
        for component in range(3):
            planes.samples(component)[...] = (planes.samples(component) & 1) * 255
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    part = Box(
        left,
        top,
        data.draw(st.integers(1, width - left)),
        data.draw(st.integers(1, height - top)),
    )
    expected = np.empty((part.height, part.width, 3), np.uint8)
    luma, cb, cr = (np.asarray(planes.samples(number), np.uint8) for number in range(3))
    reference.to_rgb(luma, cb, cr, left, top, inverse(matrix, full_range=full), expected)
    for level in LEVELS:
        with held_at(level):
            got = to_rgb(planes, part, matrix=matrix, full_range=full)
        assert np.array_equal(got, expected)


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("full", [False, True])
def test_is_ffmpegs_bicubic_conversion(matrix: int, full: bool) -> None:
    random = np.random.default_rng(3)
    rgb = random.integers(40, 216, (64, 96, 3), np.uint8)
    frame = av.VideoFrame(96, 64, "yuv420p")
    ours = Planes(LAYOUT, 96, 64, frame.planes, [plane.line_size for plane in frame.planes])
    tags = ColourTags(matrix=matrix, range=2 if full else 1, primaries=1, transfer=1)
    rgb_to_planes(rgb, ours, **coding_of(tags))
    to = ColourTags(matrix=0, range=2, primaries=1, transfer=1)
    convert = FrameFilter((96, 64), "yuv420p", tags, [scale_filter(None, tags, to), "format=rgb24"])
    made = to_rgb(ours, Box(0, 0, 96, 64), **coding_of(tags)).astype(int)
    off = np.abs(made - convert(frame).to_ndarray())
    assert off[4:-4, 4:-4].max() <= 1
    assert off.max() <= 6  # at its border it has weights of its own


@pytest.mark.parametrize("matrix", sorted(LUMA_WEIGHTS))
@pytest.mark.parametrize("full", [False, True])
def test_greys_come_back_exactly(matrix: str, full: bool) -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8), 6).reshape(1, 512, 3).repeat(2, axis=0)
    planes = make_planes(LAYOUT, 512, 2, seed=1)
    rgb_to_planes(greys, planes, matrix=matrix, full_range=full)
    back = to_rgb(planes, Box(0, 0, 512, 2), matrix=matrix, full_range=full)
    assert np.ptp(back, axis=2).max() == 0
    assert np.abs(back.astype(int) - greys).max() <= (0 if full else 1)


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("width", [2, 14, 16, 18, 32, 50])
def test_stays_between_guards(width: int) -> None:
    plain = make_planes(LAYOUT, width, 6, seed=1)
    memory = [Guarded(np.asarray(buffer).size) for buffer in plain.buffers]
    for place in ("at_end", "at_start"):
        own = [getattr(m, place)(np.asarray(b)) for m, b in zip(memory, plain.buffers, strict=True)]
        planes = Planes(LAYOUT, width, 6, own, plain.strides)
        for part in (Box(0, 0, width, 6), Box(width - 1, 5, 1, 1), Box(1, 1, width - 1, 5)):
            to_rgb(planes, part, matrix="bt709", full_range=False)


@pytest.mark.parametrize(
    "part", [Box(-1, 0, 4, 4), Box(5, 0, 4, 4), Box(0, 3, 8, 4), Box(2, 2, 0, 1)]
)
def test_refuses_parts_outside_of_the_frame(part: Box) -> None:
    with pytest.raises(ValueError, match="does not lie in a frame of 8x6"):
        to_rgb(make_planes(LAYOUT, 8, 6, seed=1), part, matrix="bt709", full_range=False)


@pytest.mark.parametrize(("name", "width"), [("yuv444p", 8), ("yuv420p10le", 8), ("yuv420p", 7)])
def test_refuses_other_layouts(name: str, width: int) -> None:
    with pytest.raises(ValueError, match="no yuv420p"):
        to_rgb(
            make_planes(LAYOUTS[name], width, 6, seed=1),
            Box(0, 0, 2, 2),
            matrix="bt709",
            full_range=False,
        )
