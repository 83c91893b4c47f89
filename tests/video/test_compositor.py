"""Crops on a still: bit for bit the reference's planes, in every layout, of odd sizes too."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph
from numbered_video import avatar_planes, frame_of
from numpy.typing import NDArray

from musetalk_fast.errors import FrameShapeError, ProtocolError
from musetalk_fast.kernels.paste_tables import tables
from musetalk_fast.kernels.planes import ALPHA, LAYOUTS, Planes
from musetalk_fast.kernels.reference import paste as reference
from musetalk_fast.kernels.reference import yuv as picture_reference
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import conversion
from musetalk_fast.types import BT709, CROP_SIZE, Box, ColourTags, Crop, Face, Picture
from musetalk_fast.video.compositor import StillCompositor, planes_of

WIDTH, HEIGHT = 96, 80
FPS = Fraction(30000, 1001)
RANDOM = np.random.default_rng(7)
RGB: Picture = RANDOM.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
ODD: Picture = RANDOM.integers(0, 256, (81, 97, 3), dtype=np.uint8)
MASK_BOX = Box(21, 33, 41, 27)
BT601_FULL = ColourTags(matrix=6, range=2, primaries=6, transfer=6)

every_layout = pytest.mark.parametrize("pix_fmt", LAYOUTS)
both_sizes = pytest.mark.parametrize("rgb", [RGB, ODD], ids=["96x80", "97x81"])


def _face(mask_box: Box = MASK_BOX, weight: int = 128) -> Face:
    mask = np.full((mask_box.height, mask_box.width), weight, np.uint8)
    return Face(0, Box(15, 11, 53, 55), mask_box, mask)


def _at_the_corner(rgb: Picture) -> Face:
    """A mask of every weight down to the last column and row, which chroma shares where odd."""
    height, width = rgb.shape[:2]
    mask_box = Box(width - 30, height - 24, 30, 24)
    mask = np.arange(24 * 30, dtype=np.uint32).astype(np.uint8).reshape(24, 30)
    return Face(0, Box(width - 47, height - 51, 50, 60), mask_box, mask)


def _compositor(
    rgb: Picture = RGB, face: Face | None = None, pix_fmt: str = "yuv420p", *, sharp: bool = False
) -> StillCompositor:
    return StillCompositor(avatar_planes(rgb, pix_fmt), face or _face(), FPS, BT709, sharp=sharp)


def _crop() -> Crop:
    return RANDOM.integers(0, 256, (CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8)


Samples = list[NDArray[np.uint16]]


def _samples(frame: av.VideoFrame) -> Samples:
    """Copies of all components', alpha's included."""
    planes = planes_of(frame)
    return [
        planes.samples(number).astype(np.uint16)
        for number in range(len(planes.layout.all_components))
    ]


def _still(rgb: Picture, pix_fmt: str) -> av.VideoFrame:
    """The picture in a frame of FFmpeg's, by the reference alone."""
    height, width = rgb.shape[:2]
    frame = av.VideoFrame(width, height, pix_fmt)
    planes = planes_of(frame)
    colours = conversion("bt709", planes.layout.depth, full_range=False)
    picture_reference.rgb_to_planes(rgb, planes, colours)
    if planes.layout.alpha is not None:
        planes.samples(ALPHA)[...] = (1 << planes.layout.depth) - 1
    return frame


def _pasted(rgb: Picture, face: Face, crop: Crop, pix_fmt: str, *, sharp: bool) -> Samples:
    """What the reference makes of the crop on the picture."""
    wanted = _still(rgb, pix_fmt)
    planes = planes_of(wanted)
    colours = conversion("bt709", planes.layout.depth, full_range=False)
    size = planes.width, planes.height
    made = tables(face, size, planes.layout, colours, sharp=sharp)
    reference.paste(made, crop, 0, planes, planes)
    return _samples(wanted)


def _same(ours: Samples, theirs: Samples) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@both_sizes
@every_layout
def test_nothing_outside_the_mask_is_touched(pix_fmt: str, rgb: Picture) -> None:
    face, layout = _face(), LAYOUTS[pix_fmt]
    compositor = _compositor(rgb, face, pix_fmt)
    for index in range(3):
        frame = compositor.compose(frame_of(_crop()), index)
    box = face.mask_box
    for number, (ours, still) in enumerate(
        zip(_samples(frame), _samples(_still(rgb, pix_fmt)), strict=True)
    ):
        across, down = (layout.chroma_x, layout.chroma_y) if number in (1, 2) else (0, 0)
        outside = np.ones(still.shape, bool)
        rows = slice(box.y >> down, -(-(box.y + box.height) >> down))
        outside[rows, box.x >> across : -(-(box.x + box.width) >> across)] = False
        assert np.array_equal(ours[outside], still[outside])
        assert np.array_equal(ours[~outside], still[~outside]) == (number == ALPHA)


@both_sizes
@pytest.mark.parametrize("sharp", [False, True])
@every_layout
def test_planes_are_those_of_the_reference(pix_fmt: str, sharp: bool, rgb: Picture) -> None:
    for face in (_face(), _at_the_corner(rgb)):
        compositor = _compositor(rgb, face, pix_fmt, sharp=sharp)
        compositor.compose(frame_of(_crop()), 0)  # must leave no trace
        crop = _crop()
        shown = compositor.compose(frame_of(crop), 1)
        assert (shown.format.name, shown.height, shown.width) == (pix_fmt, *rgb.shape[:2])
        assert _same(_samples(shown), _pasted(rgb, face, crop, pix_fmt, sharp=sharp))


def test_a_frame_without_references_is_reused() -> None:
    compositor = _compositor()
    first = compositor.compose(frame_of(_crop()), 0)
    memory = first.planes[0].buffer_ptr
    second = compositor.compose(frame_of(_crop()), 1)
    assert second is first
    assert second.planes[0].buffer_ptr == memory


@every_layout
def test_frames_do_not_shine_through_later_ones(pix_fmt: str) -> None:
    compositor = _compositor(pix_fmt=pix_fmt)
    first, second = _crop(), _crop()
    fresh = _samples(compositor.compose(frame_of(first), 0))
    compositor.compose(frame_of(second), 1)
    assert _same(fresh, _samples(compositor.compose(frame_of(first), 2)))


@every_layout
def test_an_encoder_that_holds_a_frame_keeps_its_samples(pix_fmt: str) -> None:
    compositor = _compositor(pix_fmt=pix_fmt)
    crops = [_crop() for _ in range(4)]
    alone = [_samples(compositor.compose(frame_of(crop), i)) for i, crop in enumerate(crops)]
    graph = Graph()  # stands for an encoder: it refers to the frames until they are pulled
    source = graph.add_buffer(width=WIDTH, height=HEIGHT, format=pix_fmt, time_base=1 / FPS)
    sink = graph.add("buffersink")
    source.link_to(sink)
    graph.configure()
    for index, crop in enumerate(crops):
        graph.vpush(compositor.compose(frame_of(crop), index))
    held = [graph.vpull() for _ in crops]
    for frame, wanted in zip(held, alone, strict=True):
        assert _same(_samples(frame), wanted)


def test_frames_are_numbered_timed_and_tagged() -> None:
    frame = _compositor().compose(frame_of(_crop()), 17)
    assert frame.pts == 17
    assert frame.time_base == Fraction(1001, 30000)
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)  # BT.709
    assert frame.color_range == 1  # limited


def test_colours_are_those_that_the_tags_say() -> None:
    avatar = Planes.allocate(LAYOUTS["yuv420p"], WIDTH, HEIGHT)
    rgb_to_planes(RGB, avatar, matrix="bt601", full_range=True)
    face = replace(_face(weight=255), box=MASK_BOX)
    red = np.broadcast_to(np.array([255, 0, 0], np.uint8), (CROP_SIZE, CROP_SIZE, 3)).copy()
    frame = StillCompositor(avatar, face, FPS, BT601_FULL).compose(frame_of(red), 0)
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (6, 6, 6)
    assert frame.color_range == 2
    middle = [int(samples[samples.shape[0] * 46 // 80][22]) for samples in _samples(frame)[:1]]
    assert middle == [76]  # 0.299 x 255, no offset


def test_a_matrix_without_a_kernel_is_refused() -> None:
    unknown = ColourTags(matrix=10, range=1, primaries=9, transfer=16)
    with pytest.raises(ValueError, match="matrix 10"):
        StillCompositor(avatar_planes(RGB, "yuv420p"), _face(), FPS, unknown)


def test_a_window_of_the_crop_gives_the_same_frame() -> None:
    compositor = _compositor()
    crop = _crop()
    full = _samples(compositor.compose(frame_of(crop), 0))
    window = np.ascontiguousarray(crop[90:250])
    assert _same(full, _samples(compositor.compose(frame_of(window, first_row=90), 1)))


def test_compositors_of_one_avatar_do_not_touch_it() -> None:
    avatar = avatar_planes(RGB, "yuv420p")
    before = [avatar.samples(number).copy() for number in range(3)]
    compositors = [StillCompositor(avatar, _face(), FPS, BT709) for _ in range(2)]
    crops = [_crop(), _crop()]
    for compositor, crop in zip(compositors, crops, strict=True):
        compositor.compose(frame_of(crop), 0)
    for compositor, crop in zip(compositors, crops, strict=True):
        wanted = _pasted(RGB, _face(), crop, "yuv420p", sharp=False)
        assert _same(_samples(compositor.compose(frame_of(crop), 1)), wanted)
    assert all(np.array_equal(avatar.samples(number), before[number]) for number in range(3))


def test_a_mask_up_to_the_borders() -> None:
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    face = Face(0, Box(-10, -20, WIDTH + 20, HEIGHT + 40), Box(0, 0, WIDTH, HEIGHT), mask)
    grey = np.full((CROP_SIZE, CROP_SIZE, 3), 128, np.uint8)
    for samples in _samples(_compositor(face=face).compose(frame_of(grey), 0)):
        assert samples.min() == samples.max()


def test_a_face_outside_the_picture_is_refused() -> None:
    with pytest.raises(ProtocolError, match="leaves the"):
        _compositor(face=_face(Box(60, 60, 41, 27)))


def test_a_crop_without_the_rows_of_the_mask_is_refused() -> None:
    with pytest.raises(FrameShapeError, match="the mask needs"):
        _compositor().compose(frame_of(_crop()[:100]), 0)


def test_a_crop_of_another_source_frame_is_refused() -> None:
    other = replace(frame_of(_crop(), 7), source=3)
    with pytest.raises(FrameShapeError, match="frame 7 is for source frame 3; there is 0"):
        _compositor().compose(other, 0)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "p010le"])
def test_a_weight_brings_the_avatars_own_mouth_back(pix_fmt: str) -> None:
    """Under the mask; beside it stays whatever an encoder has made of the avatar."""
    crop, layout = _crop(), LAYOUTS[pix_fmt]
    full, compositor = (_compositor(face=_at_the_corner(RGB), pix_fmt=pix_fmt) for _ in range(2))
    pasted = _samples(full.compose(frame_of(crop), 0))
    own = _samples(_still(RGB, pix_fmt))
    assert _same(_samples(compositor.compose(frame_of(crop), 0, 0.0)), own)
    half = _samples(compositor.compose(frame_of(crop), 1, 0.5))
    for mixed, one, other in zip(half, pasted, own, strict=True):
        exact = (one.astype(float) + other) / 2
        assert np.abs(mixed - exact).max() <= 0.5 * (1 << layout.shift)
    assert _same(_samples(compositor.compose(frame_of(crop), 2)), pasted)
    other = avatar_planes(255 - RGB, pix_fmt)
    compositor.settle(other)
    shown = _samples(compositor.compose(frame_of(crop), 3, 0.0))[0]
    assert np.array_equal(shown[0], other.samples(0)[0])
