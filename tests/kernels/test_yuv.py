from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_frames import Guarded, equal_planes, layouts, make_planes, random_bytes
from kernel_sets import LEVELS, held_at

from musetalk_fast.kernels.planes import LAYOUTS, PixelLayout, Planes
from musetalk_fast.kernels.reference import yuv as reference
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import conversion


@settings(max_examples=60)
@given(
    st.integers(1, 70),
    st.integers(1, 20),
    layouts,
    st.sampled_from(["bt601", "bt709"]),
    st.booleans(),
    st.integers(0, 9),
)
def test_every_set_equals_the_reference(
    width: int, height: int, layout: PixelLayout, matrix: str, full: bool, slack: int
) -> None:
    rgb = random_bytes(width * height * 3, width).reshape(height, width, 3)
    expected = make_planes(layout, width, height, seed=1, slack=slack)
    first = expected.copy()
    colours = conversion(matrix, layout.depth, full_range=full)
    reference.rgb_to_planes(rgb, expected, colours)
    for level in LEVELS:
        got = first.copy()
        with held_at(level):
            rgb_to_planes(rgb, got, matrix=matrix, full_range=full)
        assert equal_planes(got, expected)


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("full", [False, True])
def test_greys_have_no_colour_and_the_ends_are_exact(depth: int, matrix: str, full: bool) -> None:
    layout = LAYOUTS["yuv420p" if depth == 8 else "yuv420p10le"]
    unit, top = 1 << (depth - 8), (1 << depth) - 1
    greys = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)
    planes = make_planes(layout, 256, 1, seed=1)
    rgb_to_planes(greys, planes, matrix=matrix, full_range=full)
    luma = planes.samples(0)[0].astype(int)
    assert (luma[0], luma[255]) == ((0, top) if full else (16 * unit, 235 * unit))
    span = top if full else 219 * unit
    assert np.abs(luma - luma[0] - np.arange(256) * span / 255).max() <= 0.5 + 2.0 ** (depth - 14)
    for number in (1, 2):
        assert (planes.samples(number) == 128 * unit).all()


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_agrees_with_ffmpeg(matrix: str) -> None:
    y, x = np.mgrid[0:64, 0:96]
    rgb = np.stack([x * 2, y * 4, 255 - x * 2], axis=2).astype(np.uint8)
    planes = make_planes(LAYOUTS["yuv444p"], 96, 64, seed=1)
    rgb_to_planes(rgb, planes, matrix=matrix)
    space = getattr(av.video.reformatter.Colorspace, f"ITU{matrix[2:]}")
    theirs = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format="yuv444p", dst_colorspace=space, dst_color_range="MPEG"
    )
    for number in range(3):
        plane = theirs.planes[number]
        expected = np.frombuffer(plane, np.uint8).reshape(64, plane.line_size)[:, :96]
        assert np.abs(planes.samples(number).astype(int) - expected).max() <= 2


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("width", [1, 15, 16, 17, 31, 48, 53])
def test_stays_between_guards(width: int) -> None:
    layout, height = LAYOUTS["yuv420p"], 5
    rgb = random_bytes(width * height * 3, 2).reshape(height, width, 3)
    plain = make_planes(layout, width, height, seed=1)
    memory, source = [Guarded(np.asarray(b).size) for b in plain.buffers], Guarded(rgb.size)
    for place in ("at_end", "at_start"):
        own = [getattr(m, place)(np.asarray(b)) for m, b in zip(memory, plain.buffers, strict=True)]
        planes = Planes(layout, width, height, own, plain.strides)
        rgb_to_planes(getattr(source, place)(rgb), planes)


def test_refuses_pictures_by_shape() -> None:
    planes = make_planes(LAYOUTS["yuv420p"], 8, 6, seed=1)
    with pytest.raises(ValueError, match=r"must be uint8 \(6, 8, 3\)"):
        rgb_to_planes(np.zeros((8, 6, 3), np.uint8), planes)
    with pytest.raises(ValueError, match="float64"):
        rgb_to_planes(np.zeros((6, 8, 3)), planes)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not C-contiguous"):
        rgb_to_planes(np.zeros((6, 16, 3), np.uint8)[:, ::2], planes)
