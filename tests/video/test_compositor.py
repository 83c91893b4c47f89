from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph
from numpy.typing import NDArray

from musetalk_fast.errors import FrameShapeError, ProtocolError
from musetalk_fast.kernels.paste_tables import tables
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.kernels.reference import paste as reference
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import conversion
from musetalk_fast.types import BT709, CROP_SIZE, Box, Crop, Face, Picture
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.encoder_settings import EncoderSettings

WIDTH, HEIGHT = 96, 80
FPS = Fraction(30000, 1001)
RANDOM = np.random.default_rng(7)
RGB: Picture = RANDOM.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
MASK_BOX = Box(21, 33, 41, 27)
CONTAINERS = ["yuv420p", "nv12"]


def _encoder(pix_fmt: str) -> EncoderSettings:
    return EncoderSettings("libx264", "mp4", pix_fmt, {}, 250, 1)


def _face(mask_box: Box = MASK_BOX, weight: int = 128) -> Face:
    mask = np.full((mask_box.height, mask_box.width), weight, np.uint8)
    return Face(0, Box(15, 11, 53, 55), mask_box, mask)


def _crop() -> Crop:
    return RANDOM.integers(0, 256, (CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8)


def _planes(frame: av.VideoFrame) -> Planes:
    lines = [plane.line_size for plane in frame.planes]
    return Planes(LAYOUTS[frame.format.name], frame.width, frame.height, frame.planes, lines)


def _samples(frame: av.VideoFrame) -> list[NDArray[np.uint8]]:
    return [_planes(frame).samples(number).astype(np.uint8) for number in range(3)]


def _still(pix_fmt: str) -> av.VideoFrame:
    frame = av.VideoFrame(WIDTH, HEIGHT, pix_fmt)
    rgb_to_planes(RGB, _planes(frame))
    return frame


@pytest.mark.parametrize("pix_fmt", CONTAINERS)
def test_nothing_outside_the_mask_is_touched(pix_fmt: str) -> None:
    face = _face()
    compositor = StillCompositor(RGB, face, _encoder(pix_fmt), FPS, BT709)
    for index in range(3):
        frame = compositor.compose(_crop(), 0, index)
    box = face.mask_box
    for number, (ours, still) in enumerate(
        zip(_samples(frame), _samples(_still(pix_fmt)), strict=True)
    ):
        shift = 1 if number else 0
        outside = np.ones(still.shape, bool)
        rows = slice(box.y >> shift, (box.y + box.height + shift) >> shift)
        outside[rows, box.x >> shift : (box.x + box.width + shift) >> shift] = False
        assert np.array_equal(ours[outside], still[outside])
        assert not np.array_equal(ours[~outside], still[~outside])


@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("pix_fmt", CONTAINERS)
def test_planes_are_those_of_the_reference(pix_fmt: str, sharp: bool) -> None:
    compositor = StillCompositor(RGB, _face(), _encoder(pix_fmt), FPS, BT709, sharp=sharp)
    compositor.compose(_crop(), 0, 0)  # must leave no trace
    crop, layout, wanted = _crop(), LAYOUTS[pix_fmt], _still(pix_fmt)
    colours = conversion("bt709", 8, full_range=False)
    made = tables(_face(), (WIDTH, HEIGHT), layout, colours, sharp=sharp)
    reference.paste(made, crop, 0, _planes(wanted), _planes(wanted))
    for ours, theirs in zip(
        _samples(compositor.compose(crop, 0, 1)), _samples(wanted), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_a_frame_that_nobody_holds_is_used_again() -> None:
    compositor = StillCompositor(RGB, _face(), _encoder("yuv420p"), FPS, BT709)
    first = compositor.compose(_crop(), 0, 0)
    memory = first.planes[0].buffer_ptr
    second = compositor.compose(_crop(), 0, 1)
    assert second is first
    assert second.planes[0].buffer_ptr == memory


@pytest.mark.parametrize("pix_fmt", CONTAINERS)
def test_frames_do_not_shine_through_later_ones(pix_fmt: str) -> None:
    compositor = StillCompositor(RGB, _face(), _encoder(pix_fmt), FPS, BT709)
    first, second = _crop(), _crop()
    fresh = _samples(compositor.compose(first, 0, 0))
    compositor.compose(second, 0, 1)
    again = _samples(compositor.compose(first, 0, 2))
    assert all(np.array_equal(a, b) for a, b in zip(fresh, again, strict=True))


def test_an_encoder_that_holds_a_frame_keeps_its_samples() -> None:
    compositor = StillCompositor(RGB, _face(), _encoder("yuv420p"), FPS, BT709)
    crops = [_crop() for _ in range(4)]
    alone = [_samples(compositor.compose(crop, 0, i)) for i, crop in enumerate(crops)]
    graph = Graph()  # stands for an encoder: it refers to the frames until they are pulled
    source = graph.add_buffer(width=WIDTH, height=HEIGHT, format="yuv420p", time_base=1 / FPS)
    sink = graph.add("buffersink")
    source.link_to(sink)
    graph.configure()
    for index, crop in enumerate(crops):
        graph.vpush(compositor.compose(crop, 0, index))
    held = [graph.vpull() for _ in crops]
    for frame, wanted in zip(held, alone, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(_samples(frame), wanted, strict=True))


def test_frames_are_numbered_timed_and_tagged() -> None:
    compositor = StillCompositor(RGB, _face(), _encoder("yuv420p"), FPS, BT709)
    frame = compositor.compose(_crop(), 0, 17)
    assert frame.pts == 17
    assert frame.time_base == Fraction(1001, 30000)
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)  # BT.709
    assert frame.color_range == 1  # limited


def test_a_window_of_the_crop_gives_the_same_frame() -> None:
    compositor = StillCompositor(RGB, _face(), _encoder("yuv420p"), FPS, BT709)
    crop = _crop()
    whole = _samples(compositor.compose(crop, 0, 0))
    window = np.ascontiguousarray(crop[90:250])
    assert all(
        np.array_equal(a, b)
        for a, b in zip(whole, _samples(compositor.compose(window, 90, 1)), strict=True)
    )


def test_a_mask_up_to_the_borders() -> None:
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    face = Face(0, Box(-10, -20, WIDTH + 20, HEIGHT + 40), Box(0, 0, WIDTH, HEIGHT), mask)
    compositor = StillCompositor(RGB, face, _encoder("yuv420p"), FPS, BT709)
    grey = np.full((CROP_SIZE, CROP_SIZE, 3), 128, np.uint8)
    for samples in _samples(compositor.compose(grey, 0, 0)):
        assert samples.min() == samples.max()


def test_a_face_outside_the_picture_is_refused() -> None:
    with pytest.raises(ProtocolError, match="leaves the"):
        StillCompositor(RGB, _face(Box(60, 60, 41, 27)), _encoder("yuv420p"), FPS, BT709)


def test_a_crop_without_the_rows_of_the_mask_is_refused() -> None:
    compositor = StillCompositor(RGB, _face(), _encoder("yuv420p"), FPS, BT709)
    with pytest.raises(FrameShapeError, match="the mask needs"):
        compositor.compose(_crop()[:100], 0, 0)
