from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from kernel_frames import make_planes

from musetalk_fast.kernels.planes import ALPHA, LAYOUTS, MAX_SIDE, PixelLayout, Planes


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_layouts_are_those_of_ffmpeg(layout: PixelLayout) -> None:
    format_ = av.VideoFormat(layout.name, 34, 18)
    assert layout.planes == len({component.plane for component in format_.components})
    for number in range(3):
        theirs = format_.components[number]
        assert layout.components[number].plane == theirs.plane
        assert layout.size(number, 34, 18) == (theirs.width, theirs.height)
        assert layout.depth == theirs.bits


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_samples_lie_where_ffmpeg_reads_them(layout: PixelLayout) -> None:
    frame = av.VideoFrame(34, 18, layout.name)
    planes = Planes(layout, 34, 18, list(frame.planes), [plane.line_size for plane in frame.planes])
    codes = [100, 110, 140]
    for number in range(3):
        planes.samples(number)[...] = codes[number] << (layout.depth - 8) << layout.shift
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    plain = frame.reformat(format="yuv444p")
    for number in range(3):
        read = np.frombuffer(plain.planes[number], np.uint8).reshape(18, -1)[:, :34]
        assert np.abs(read.astype(int) - codes[number]).max() <= 1


def test_refuses_planes_by_name_and_number() -> None:
    layout = LAYOUTS["yuv420p"]
    y, u, v = bytearray(64), bytearray(16), bytearray(16)
    Planes(layout, 8, 8, [y, u, v], [8, 4, 4])
    with pytest.raises(ValueError, match="yuv420p has 3 planes; got 2 buffers and 3 strides"):
        Planes(layout, 8, 8, [y, u], [8, 4, 4])
    with pytest.raises(ValueError, match="plane 1: stride 3 is below a row's 4 bytes"):
        Planes(layout, 8, 8, [y, u, v], [8, 3, 4])
    with pytest.raises(ValueError, match="plane 2 has 15 bytes; 4 rows of stride 4 need 16"):
        Planes(layout, 8, 8, [y, u, bytearray(15)], [8, 4, 4])
    with pytest.raises(ValueError, match="plane 0 is read-only"):
        Planes(layout, 8, 8, [bytes(64), u, v], [8, 4, 4])


@pytest.mark.parametrize("size", [(0, 8), (8, 0), (-8, 8), (MAX_SIDE + 1, 1), (1, MAX_SIDE + 1)])
def test_refuses_sizes_that_no_kernel_takes(size: tuple[int, int]) -> None:
    buffers = [bytearray(MAX_SIDE + 8) for _ in range(3)]
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]} pixels; sides go from 1 to"):
        Planes(LAYOUTS["yuv420p"], *size, buffers, [1, 1, 1])


def test_samples_are_a_view() -> None:
    planes = make_planes(LAYOUTS["p010le"], 6, 4, seed=1)
    planes.samples(2)[1, 2] = 0x1234
    assert bytes(memoryview(planes.buffers[1]))[12 + 2 * 4 + 2 :][:2] == b"\x34\x12"


@pytest.mark.parametrize("size", [(34, 18), (35, 19), (1, 1)])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_new_planes_are_aligned_zero_and_opaque(layout: PixelLayout, size: tuple[int, int]) -> None:
    planes = Planes.allocate(layout, *size)
    for buffer, stride in zip(planes.buffers, planes.strides, strict=True):
        assert np.asarray(buffer).ctypes.data % 64 == stride % 64 == 0
    for number in range(len(layout.all_components)):
        columns, rows = layout.size(number, *size)
        assert planes.samples(number).shape == (rows, columns)
        top = (1 << layout.depth) - 1
        assert (planes.samples(number) == (top if number == ALPHA else 0)).all()


@pytest.mark.parametrize("size", [(34, 18), (35, 19), (1, 1)])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_all_samples_are_copied_whatever_the_strides(
    layout: PixelLayout, size: tuple[int, int]
) -> None:
    planes, other = make_planes(layout, *size, seed=1, slack=7), Planes.allocate(layout, *size)
    planes.copy_to(other)
    for number in range(len(layout.all_components)):
        assert np.array_equal(planes.samples(number), other.samples(number))


def test_planes_of_another_kind_take_no_copy() -> None:
    planes = Planes.allocate(LAYOUTS["yuv420p"], 8, 8)
    for layout, side in (("nv12", 8), ("yuv420p", 10)):
        with pytest.raises(ValueError, match=f"planes are yuv420p 8x8, not {layout}"):
            planes.copy_to(Planes.allocate(LAYOUTS[layout], side, side))
