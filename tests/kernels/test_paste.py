from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_frames import (
    Guarded,
    equal_planes,
    faces,
    layouts,
    make_planes,
    plane_rows,
    random_bytes,
    row_bytes,
)
from kernel_sets import LEVELS, held_at
from numpy.typing import NDArray

from musetalk_fast.errors import FrameShapeError, ProtocolError
from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.paste_rows import window
from musetalk_fast.kernels.paste_tables import tables
from musetalk_fast.kernels.planes import LAYOUTS, PixelLayout, Planes
from musetalk_fast.kernels.reference import paste as reference
from musetalk_fast.kernels.resampling import Taps, exact_weights, means, quantise
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import (
    MAX_GAIN,
    Recolouring,
    conversion,
    recoloured_conversion,
)
from musetalk_fast.types import CROP_SIZE, Box, Face, Rows

CONVERSION = conversion("bt709", 8, full_range=False)
KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


def small_crop(rows: Rows, seed: int = 0) -> np.ndarray:
    return random_bytes(rows.count * 256 * 3, seed).reshape(rows.count, 256, 3)


def plain_face(width: int = 60, height: int = 50) -> Face:
    return Face(0, Box(5, 7, width, height), Box(8, 20, 40, 30), np.full((30, 40), 200, np.uint8))


@st.composite
def windows(draw: st.DrawFn, rows: Rows) -> tuple[int, int]:
    """The first row and the end of what a server may send: what is needed, often more."""
    first = draw(st.sampled_from([0, rows.first, max(0, rows.first - 3)]))
    stop = rows.first + rows.count
    return first, draw(st.sampled_from([stop, min(256, stop + 2), 256]))


# --- the definition, in floats and in the planes, written without the kernel's own tables ---


def float_component(crop: np.ndarray, number: int, matrix: str, top: int, full: bool) -> np.ndarray:
    red_weight, blue_weight = KR_KB[matrix]
    rgb = crop / 255.0
    luma = rgb @ [red_weight, 1 - red_weight - blue_weight, blue_weight]
    scale = (top + 1) / 256
    if number == 0:
        return luma * top if full else (16 + 219 * luma) * scale
    colour, weight = (rgb[..., 2], blue_weight) if number == 1 else (rgb[..., 0], red_weight)
    difference = (colour - luma) / (2 * (1 - weight))
    return 128 * scale + difference * (top if full else 224 * scale)


def float_bilinear(values: np.ndarray, length: int, positions: np.ndarray) -> np.ndarray:
    centres = (positions + 0.5) * 256 / length - 0.5
    return np.stack([np.interp(centres, np.arange(256), row) for row in values])


def float_lanczos(values: np.ndarray, length: int, positions: np.ndarray) -> np.ndarray:
    """Every weight of every input, the edge's repeated as far as the kernel reaches."""
    step = 256 / length
    stretch = max(step, 1.0)
    # A chroma sample covers one pixel beyond the box at most; what lies further has no weight.
    centres = (positions.clip(-2, length + 1) + 0.5) * step - 0.5
    margin = int(3 * stretch + 2 * step) + 3
    distance = (np.arange(-margin, 256 + margin) - centres[:, None]) / stretch
    weights = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
    padded = np.pad(values, ((0, 0), (margin, margin)), "edge")
    return padded @ (weights / weights.sum(axis=1, keepdims=True)).T


def float_paste(
    crop: np.ndarray, face: Face, planes: Planes, number: int, matrix: str, full: bool, sharp: bool
) -> np.ndarray:
    layout, box, inner = planes.layout, face.box, face.mask_box
    top = (1 << layout.depth) - 1
    scale = float_lanczos if sharp else float_bilinear
    values = float_component(crop, number, matrix, top, full)
    values = scale(values, box.width, np.arange(planes.width) - box.x)
    values = scale(values.T, box.height, np.arange(planes.height) - box.y).T
    weights = np.zeros((planes.height, planes.width))
    weights[inner.y : inner.y + inner.height, inner.x : inner.x + inner.width] = face.mask / 255
    if number:
        step_x, step_y = 1 << layout.chroma_x, 1 << layout.chroma_y
        values = block_means(values, step_x, step_y)
        weights = block_means(weights, step_x, step_y)
    old = (planes.samples(number) >> layout.shift).astype(float)
    return old + weights * (values.clip(0, top) - old)


def block_means(values: np.ndarray, step_x: int, step_y: int) -> np.ndarray:
    rows = range(0, values.shape[0], step_y)
    columns = range(0, values.shape[1], step_x)
    return np.array(
        [[values[y : y + step_y, x : x + step_x].mean() for x in columns] for y in rows]
    )


@settings(max_examples=80)
@given(
    st.data(),
    layouts,
    st.sampled_from(["bt601", "bt709"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_is_within_one_level_of_the_definition(
    data: st.DataObject, layout: PixelLayout, matrix: str, full: bool, contrast: bool, sharp: bool
) -> None:
    width, height = data.draw(st.integers(1, 80)), data.draw(st.integers(1, 60))
    face = data.draw(faces(width, height, 2048))
    planes = make_planes(layout, width, height, seed=5, slack=3)
    before = planes.copy()
    crop = small_crop(Rows(0, 256), 9)
    if contrast:
        crop = np.where(crop < 128, 0, 255).astype(np.uint8)
    paste = Paste(face, width, height, layout, matrix=matrix, full_range=full, sharp=sharp)
    first, stop = data.draw(windows(paste.rows))
    paste.paste(crop[first:stop], first, planes)
    for number in range(3):
        expected = float_paste(crop, face, before, number, matrix, full, sharp)
        got = (planes.samples(number) >> layout.shift).astype(float)
        assert np.abs(got - expected).max() <= 1.0


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("layout", ["yuv444p", "nv12", "p010le"])
@pytest.mark.parametrize(("gain", "offset"), [(MAX_GAIN, 38), (1 / MAX_GAIN, -38), (MAX_GAIN, -90)])
def test_recoloured_crops_are_the_references_bits(
    gain: float, offset: float, layout: str, sharp: bool
) -> None:
    """Black and white beyond the range, too: nothing wraps around."""
    kind, face = LAYOUTS[layout], plain_face(256, 250)
    crop = np.where(small_crop(Rows(0, 256), 5) < 128, 0, 255).astype(np.uint8)
    crop[100:160, 40:200] = np.linspace(0, 255, 160, dtype=np.uint8)[None, :, None]
    recoloured = Recolouring(np.full(3, gain), np.full(3, offset))
    planes, wanted = (make_planes(kind, 300, 290, seed=3) for _ in range(2))
    paste = Paste(face, 300, 290, kind, sharp=sharp)
    paste.recolour(recoloured)
    paste.paste(crop, 0, planes)
    colours = recoloured_conversion("bt709", kind.depth, recoloured, full_range=False)
    made = tables(face, (300, 290), kind, colours, sharp=sharp)
    reference.paste(made, crop, 0, wanted, wanted)
    assert equal_planes(planes, wanted)


@pytest.mark.parametrize(
    "size", [(16, 16), (17, 33), (101, 64), (255, 257), (430, 430), (1001, 16), (2048, 2048)]
)
def test_bilinear_is_opencvs_in_two_dimensions(size: tuple[int, int]) -> None:
    """Greys, whose luma of full range is themselves."""
    layout, box = LAYOUTS["yuv444p"], Box(0, 0, *size)
    grey = random_bytes(256 * 256, 3).reshape(256, 256)
    theirs = cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR)
    planes = make_planes(layout, *size, seed=1)
    face = Face(0, box, box, np.full(size[::-1], 255, np.uint8))
    crop = np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
    Paste(face, *size, layout, full_range=True).paste(crop, 0, planes)
    assert np.abs(planes.samples(0).astype(int) - theirs).max() <= 1
    assert (planes.samples(1) == 128).all()


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_buffers_may_lie_at_any_address(layout: PixelLayout) -> None:
    paste, crop = Paste(plain_face(), 100, 80, layout), small_crop(Rows(0, 256))
    plain = make_planes(layout, 100, 80, seed=1, slack=7)
    expected = plain.copy()
    paste.paste(crop, 0, expected)
    for offset in (1, 2, 3, 5, 31):
        shifted = [np.empty(len(buffer) + 32, np.uint8) for buffer in plain.buffers]
        own = [memory[offset : offset + len(memory) - 32] for memory in shifted]
        for target, buffer in zip(own, plain.buffers, strict=True):
            target[:] = buffer
        memory = np.empty(crop.size + 32, np.uint8)
        moved = memory[offset : offset + crop.size].reshape(crop.shape)
        moved[:] = crop
        planes = Planes(layout, 100, 80, own, plain.strides)
        paste.paste(moved, 0, planes)
        assert equal_planes(planes, expected)


# --- native and reference ---


@settings(max_examples=60)
@given(data=st.data(), layout=layouts, sharp=st.booleans(), full=st.booleans())
def test_every_set_equals_the_reference(
    data: st.DataObject, layout: PixelLayout, sharp: bool, full: bool
) -> None:
    width, height = data.draw(st.integers(1, 200)), data.draw(st.integers(1, 200))
    face = data.draw(faces(width, height))
    face.mask[0, 0] = 9
    first = make_planes(layout, width, height, seed=1, slack=data.draw(st.integers(0, 40)))
    colours = conversion("bt709", layout.depth, full_range=full)
    prepared = tables(face, (width, height), layout, colours, sharp=sharp)
    top, end = data.draw(windows(Paste(face, width, height, layout, sharp=sharp).rows))
    for level in LEVELS:
        whole = small_crop(Rows(0, 256), level)
        crop, expected = whole[top:end], first.copy()
        weight = data.draw(st.sampled_from([1.0, 1.0, 0.37, 0.0]))
        share = round(weight * reference.WHOLE)
        reference.paste(prepared, whole, 0, first, expected, share)
        in_place, onto_another = first.copy(), first.copy()
        with held_at(level):
            paste = Paste(face, width, height, layout, full_range=full, sharp=sharp)
            paste.paste(crop, top, in_place, weight=weight)
            paste.paste(small_crop(Rows(top, end - top), 9), top, onto_another)
            paste.paste(crop, top, onto_another, first, weight=weight)
        assert equal_planes(in_place, expected)
        assert weight > 0 or equal_planes(in_place, first)
        assert equal_planes(onto_another, expected)


@settings(max_examples=60)
@given(faces(90, 70), layouts, st.integers(0, 9), st.sampled_from(LEVELS))
def test_onto_an_avatar_gives_what_pasting_into_it_does(
    face: Face, layout: PixelLayout, slack: int, level: int
) -> None:
    crop = small_crop(Rows(0, 256), 3)
    avatar, planes = (make_planes(layout, 90, 70, seed=2, slack=n) for n in (slack, 4))
    for number in range(3):  # what an earlier crop has left
        planes.samples(number)[...] = avatar.samples(number)
    before, expected = avatar.copy(), planes.copy()
    with held_at(level):
        paste = Paste(face, 90, 70, layout)
        paste.paste(small_crop(Rows(0, 256), 4), 0, planes)
        paste.paste(crop, 0, planes, avatar)
        paste.paste(crop, 0, expected)
    assert equal_planes(planes, expected)
    assert equal_planes(avatar, before)


@pytest.mark.long
@settings(max_examples=60)
@given(faces(90, 70), layouts, st.booleans())
def test_touches_only_what_the_mask_covers(face: Face, layout: PixelLayout, sharp: bool) -> None:
    planes = make_planes(layout, 90, 70, seed=2, slack=5)
    before = planes.copy()
    paste = Paste(face, 90, 70, layout, sharp=sharp)
    paste.paste(small_crop(Rows(0, 256)), 0, planes)
    inner = face.mask_box
    weights = np.zeros((70, 90))
    weights[inner.y : inner.y + inner.height, inner.x : inner.x + inner.width] = face.mask
    for number in range(3):
        shift_x, shift_y = (layout.chroma_x, layout.chroma_y) if number else (0, 0)
        free = block_means(weights, 1 << shift_x, 1 << shift_y) == 0
        assert (planes.samples(number)[free] == before.samples(number)[free]).all()
        before.samples(number)[...] = planes.samples(number)
    assert equal_planes(planes, before), "bytes between samples, or alpha, were written"


@settings(max_examples=100)
@given(faces(90, 300), layouts, st.booleans())
def test_the_window_of_a_face_is_enough_for_every_paste(
    face: Face, layout: PixelLayout, sharp: bool
) -> None:
    rows, sent = Paste(face, 90, 300, layout, sharp=sharp).rows, window(face)
    assert 0 <= sent.first <= sent.first + sent.count <= 256
    if rows.count:
        assert sent.first <= rows.first
        assert rows.first + rows.count <= sent.first + sent.count


def minimal_rows(face: Face, height: int, layout: PixelLayout, *, sharp: bool) -> Rows:
    """The rows with a weight where the mask is not zero, from the filters' definitions."""
    box, step = face.box, 256 / face.box.height
    reach = 3 * max(step, 1.0) if sharp else 1.0
    needed: set[int] = set()
    for y in np.flatnonzero(face.mask.any(axis=1)) + face.mask_box.y:
        block = 1 << layout.chroma_y  # the rows of a chroma sample weigh alike
        for covered in range(y // block * block, min(y // block * block + block, height)):
            centre = (covered - box.y + 0.5) * step - 0.5
            inputs = np.arange(int(centre - reach) - 1, int(centre + reach) + 3)
            distance = np.abs(inputs - centre)
            # At a multiple of a step a filter is zero; there it is never read, or for nothing.
            needed |= set(inputs[distance < reach - 1e-9].clip(0, 255).tolist())
    return Rows(min(needed), max(needed) - min(needed) + 1)


@settings(max_examples=150)
@given(faces(90, 300), layouts, st.booleans(), st.integers(0, 3))
def test_rows_of_weight_zero_are_not_needed(
    face: Face, layout: PixelLayout, sharp: bool, blank: int
) -> None:
    """Whoever computes the window anew, from the definition, is understood."""
    face.mask[:blank] = 0
    face.mask[len(face.mask) - blank :] = 0
    if not face.mask.any():
        return
    paste, sent = Paste(face, 90, 300, layout, sharp=sharp), window(face)
    rows = minimal_rows(face, 300, layout, sharp=sharp)
    assert sent.first <= rows.first
    assert rows.first + rows.count <= sent.first + sent.count
    crop = small_crop(Rows(0, 256))
    plain, whole, part = (make_planes(layout, 90, 300, seed=2) for _ in range(3))
    paste.paste(crop, 0, whole, plain)
    paste.paste(crop[rows.first : rows.first + rows.count], rows.first, part, plain)
    assert equal_planes(whole, part)


def test_the_window_leaves_out_what_the_mask_does() -> None:
    face = Face(0, Box(0, 0, 430, 430), Box(0, 215, 430, 215), np.full((215, 430), 255, np.uint8))
    assert window(face).count < 140


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("box", [(430, 430), (256, 256), (97, 61), (16, 16)])
@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("part", ["all", "left", "right"])
def test_stays_between_guards(
    layout: PixelLayout, box: tuple[int, int], sharp: bool, part: str
) -> None:
    width, height = box[0] - 3, box[1] + 3
    x, left, right = {"all": (-2, 0, width), "left": (0, 0, 5), "right": (-3, width - 5, width)}[
        part
    ]
    inner = Box(left, box[1] // 2, right - left, height - box[1] // 2 - 3)
    mask = np.full((inner.height, inner.width), 99, np.uint8)
    paste = Paste(Face(0, Box(x, 0, *box), inner, mask), width, height, layout, sharp=sharp)
    crop = small_crop(paste.rows)
    plain = make_planes(layout, width, height, seed=3)
    sizes = [
        plane_rows(layout, plane, height) * row_bytes(layout, plane, width)
        for plane in range(layout.planes)
    ]
    memory, crop_memory = [Guarded(size) for size in sizes], Guarded(crop.size)
    for place in ("at_end", "at_start"):
        own = [
            getattr(guarded, place)(np.asarray(buffer))
            for guarded, buffer in zip(memory, plain.buffers, strict=True)
        ]
        planes = Planes(layout, width, height, own, plain.strides)
        expected = planes.copy()
        paste.paste(getattr(crop_memory, place)(crop), paste.rows.first, planes)
        paste.paste(crop, paste.rows.first, expected)
        assert equal_planes(planes, expected)
        paste.paste(crop, paste.rows.first, expected, planes)
        paste.paste(crop, paste.rows.first, planes)
        assert equal_planes(planes, expected)


# --- meaning ---


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("at", [(0, 0), (2, 4)])
def test_a_full_mask_and_an_equal_size_give_the_picture(
    layout: PixelLayout, at: tuple[int, int]
) -> None:
    crop = small_crop(Rows(0, 256), 4)
    width, height = 256 + at[0], 256 + at[1]
    box = Box(*at, 256, 256)
    picture = np.zeros((height, width, 3), np.uint8)
    picture[at[1] :, at[0] :] = crop
    pasted, full = (make_planes(layout, width, height, seed=seed) for seed in (1, 1))
    rgb_to_planes(picture, full)
    picture[at[1] :, at[0] :] = 77
    rgb_to_planes(picture, pasted)
    face = Face(0, box, box, np.full((256, 256), 255, np.uint8))
    Paste(face, width, height, layout).paste(crop, 0, pasted)
    assert equal_planes(pasted, full)


def test_an_empty_mask_needs_nothing_and_does_nothing() -> None:
    for mask_box in (Box(8, 20, 40, 30), Box(0, 0, 0, 0)):
        mask = np.zeros((mask_box.height, mask_box.width), np.uint8)
        face = replace(plain_face(), mask_box=mask_box, mask=mask)
        paste = Paste(face, 100, 80, LAYOUTS["yuv420p"])
        planes = make_planes(LAYOUTS["yuv420p"], 100, 80, seed=1)
        before = planes.copy()
        assert paste.rows == Rows(0, 0)
        paste.paste(small_crop(Rows(0, 0)), 0, planes)
        assert equal_planes(planes, before)
    assert window(face) == Rows(0, 0)


def test_a_window_gives_what_the_full_crop_gives() -> None:
    layout = LAYOUTS["nv12"]
    paste = Paste(plain_face(), 100, 80, layout)
    crop = small_crop(Rows(0, 256))
    first, count = paste.rows.first, paste.rows.count
    one, other = (make_planes(layout, 100, 80, seed=seed) for seed in (6, 6))
    paste.paste(crop, 0, one)
    paste.paste(crop[first : first + count], first, other)
    assert equal_planes(one, other)


def test_allocates_no_more_than_four_kilobytes() -> None:
    layout = LAYOUTS["yuv420p"]
    paste = Paste(plain_face(), 100, 80, layout)
    planes, crop = make_planes(layout, 100, 80, seed=1), small_crop(Rows(0, 256))
    paste.paste(crop, 0, planes)
    tracemalloc.start()
    paste.paste(crop, 0, planes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4096


class Intruder(list[object]):
    """Planes that, once armed, paste again while they are opened for a paste."""

    again: Callable[[], None] | None = None

    def __getitem__(self, place: Any) -> Any:
        if self.again is not None:
            self.again()
        return super().__getitem__(place)


def test_a_paste_inside_a_paste_is_refused() -> None:
    layout = LAYOUTS["yuv420p"]
    paste, crop = Paste(plain_face(), 100, 80, layout), small_crop(Rows(0, 256))
    plain = make_planes(layout, 100, 80, seed=1)
    buffers = Intruder(plain.buffers)
    planes = Planes(layout, 100, 80, buffers, plain.strides)
    buffers.again = lambda: paste.paste(crop, 0, plain)
    with pytest.raises(RuntimeError, match="two threads are in one Paste"):
        paste.paste(crop, 0, planes)
    buffers.again = None
    paste.paste(crop, 0, planes)


# --- refusals ---


def test_refuses_crops_by_shape_and_rows() -> None:
    layout = LAYOUTS["yuv420p"]
    paste = Paste(plain_face(), 100, 80, layout)
    planes = make_planes(layout, 100, 80, seed=1)
    rows = paste.rows
    with pytest.raises(FrameShapeError, match=r"must be uint8 \(rows, 256, 3\)"):
        paste.paste(np.zeros((256, 255, 3), np.uint8), 0, planes)
    with pytest.raises(FrameShapeError, match="float64"):
        paste.paste(np.zeros((256, 256, 3)), 0, planes)  # type: ignore[arg-type]
    with pytest.raises(FrameShapeError, match="not C-contiguous"):
        paste.paste(np.zeros((256, 512, 3), np.uint8)[:, ::2], 0, planes)
    with pytest.raises(FrameShapeError, match=rf"rows {rows.first + 1}\.\.255; the mask needs"):
        paste.paste(small_crop(Rows(0, 255 - rows.first)), rows.first + 1, planes)
    with pytest.raises(FrameShapeError, match="the mask needs"):
        paste.paste(small_crop(Rows(0, rows.count - 1)), rows.first, planes)
    with pytest.raises(FrameShapeError, match=r"rows -1\.\.254; the mask needs"):
        paste.paste(small_crop(Rows(0, 256)), -1, planes)


def test_the_kernel_itself_refuses_rows_whose_count_overflows() -> None:
    native = pytest.importorskip("musetalk_fast.kernels._paste")
    layout, face = LAYOUTS["yuv420p"], plain_face()
    prepared = tables(face, (100, 80), layout, CONVERSION, sharp=False)
    planes = make_planes(layout, 100, 80, seed=1)
    own = native.Paste(prepared, 0, 256, 256, 100, 80)
    own.open(planes, planes)
    for first in (-1, 256 - (1 << 32), 256 - (1 << 56), -(1 << 63)):
        with pytest.raises(ValueError, match="the crop lacks rows"):
            own.paste(bytes(3 * 256), first, reference.WHOLE)
    for share in (-1, reference.WHOLE + 1):
        with pytest.raises(ValueError, match="the crop lacks rows"):
            own.paste(bytes(3 * 256 * 256), 0, share)


@pytest.mark.parametrize("stride", [1 << 62, (1 << 63) - 1])
def test_strides_whose_product_overflows_are_refused(stride: int) -> None:
    # Both were checked when the planes were made; what has changed since is checked again.
    layout = LAYOUTS["yuv420p"]
    planes = make_planes(layout, 100, 80, seed=1)
    strides = list(planes.strides)
    planes = Planes(layout, 100, 80, planes.buffers, strides)
    paste, crop = Paste(plain_face(), 100, 80, layout), small_crop(Rows(0, 256))
    strides[0] = stride
    with pytest.raises(ValueError, match="plane 0 is too small for its rows"):
        paste.paste(crop, 0, planes)
    with pytest.raises(ValueError, match="plane 0 is too small for its rows"):
        rgb_to_planes(np.zeros((80, 100, 3), np.uint8), planes)


def test_takes_the_bytes_of_a_crop() -> None:
    layout = LAYOUTS["yuv420p"]
    paste, crop = Paste(plain_face(), 100, 80, layout), small_crop(Rows(0, 256))
    one, other = (make_planes(layout, 100, 80, seed=1) for _ in range(2))
    paste.paste(crop, 0, one)
    paste.paste(memoryview(crop.tobytes()), 0, other)
    assert equal_planes(one, other)
    for bad in (memoryview(bytes(769)), crop.reshape(-1).view(np.uint16).data, crop[:, ::2].data):
        with pytest.raises(FrameShapeError, match="a row has 768"):
            paste.paste(bad, 0, one)


def test_refuses_planes_of_another_frame() -> None:
    paste = Paste(plain_face(), 100, 80, LAYOUTS["yuv420p"])
    crop = small_crop(Rows(0, 256))
    for layout, width in (("nv12", 100), ("yuv420p", 102)):
        planes = make_planes(LAYOUTS[layout], width, 80, seed=1)
        with pytest.raises(ValueError, match=f"planes are {layout} {width}x80, this Paste is for"):
            paste.paste(crop, 0, planes)
        with pytest.raises(ValueError, match=f"planes are {layout} {width}x80, this Paste is for"):
            paste.paste(crop, 0, make_planes(LAYOUTS["yuv420p"], 100, 80, seed=1), planes)


def test_refuses_faces_that_do_not_fit() -> None:
    face, layout = plain_face(), LAYOUTS["yuv420p"]
    with pytest.raises(ProtocolError, match="leaves the frame"):
        Paste(face, 40, 80, layout)
    with pytest.raises(ProtocolError, match="leaves the box"):
        Paste(replace(face, box=Box(5, 7, 20, 20)), 100, 80, layout)
    with pytest.raises(ProtocolError, match="a mask of uint8"):
        Paste(replace(face, mask=np.zeros((4, 4), np.uint8)), 100, 80, layout)
    with pytest.raises(ProtocolError, match="sides are"):
        Paste(replace(face, box=Box(0, 0, 0, 10)), 100, 80, layout)
    with pytest.raises(ValueError, match="matrix is 'bt2100'"):
        Paste(face, 100, 80, layout, matrix="bt2100")
    with pytest.raises(ValueError, match="sides go from 1"):
        Paste(face, 0, 80, layout)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p"])
@pytest.mark.parametrize("sharp", [False, True])
def test_tables_that_are_kept_for_boxes_of_a_size_are_those_of_each_face(
    pix_fmt: str, sharp: bool
) -> None:
    rng, layout = np.random.default_rng(9), LAYOUTS[pix_fmt]
    for _ in range(40):
        x, y, width, height = (
            int(each) for each in rng.integers((-9, -9, 20, 20), (40, 30, 50, 60))
        )
        left, top = max(0, x) + 2, max(0, y) + 3
        columns, rows = (int(each) for each in rng.integers(1, 12, 2))
        mask = rng.integers(0, 256, (rows, columns), dtype=np.uint8)
        face = Face(0, Box(x, y, width, height), Box(left, top, columns, rows), mask)
        for grid, shifts in zip(
            tables(face, (101, 83), layout, CONVERSION, sharp=sharp)[2:],
            ((0, 0), (layout.chroma_x, layout.chroma_y)),
            strict=True,
        ):
            for taps, start, length, first, shift in (
                (grid.columns, x, width, grid.x, shifts[0]),
                (grid.rows, y, height, grid.y, shifts[1]),
            ):
                pixels = (first << shift) + np.arange(len(taps.first) << shift)
                exact = exact_weights(CROP_SIZE, length, pixels - start, sharp=sharp)
                alone = means(CROP_SIZE, exact, np.arange(0, len(pixels), 1 << shift))
                assert np.array_equal(_spread(taps), _spread(quantise(CROP_SIZE, alone)))


def _spread(taps: Taps) -> NDArray[np.int64]:
    """The weight of each row of the crop."""
    spread = np.zeros((len(taps.first), CROP_SIZE), np.int64)
    inputs = taps.first[:, None] + np.arange(taps.weights.shape[1])
    np.put_along_axis(spread, inputs.astype(np.int64), taps.weights.astype(np.int64), axis=1)
    return spread


def test_a_weight_is_a_share_of_the_way_from_the_avatar_to_the_crop() -> None:
    layout, size = LAYOUTS["yuv444p"], (80, 80)
    face = Face(0, Box(5, 5, 64, 64), Box(8, 30, 50, 30), np.full((30, 50), 255, np.uint8))
    first = make_planes(layout, *size, seed=3, slack=0)
    crop, paste = small_crop(Rows(0, 256), 5), Paste(face, *size, layout)
    shown = {}
    for weight in (0.0, 0.25, 0.5, 1.0):
        planes = first.copy()
        paste.paste(crop, 0, planes, first, weight=weight)
        shown[weight] = [planes.samples(each).astype(float) for each in range(3)]
    for weight in (0.25, 0.5):
        for none, part, whole in zip(shown[0.0], shown[weight], shown[1.0], strict=True):
            assert np.abs(none + weight * (whole - none) - part).max() <= 1
    assert all(np.array_equal(a, first.samples(n)) for n, a in enumerate(shown[0.0]))
