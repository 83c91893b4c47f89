"""Masks of parsed faces, against OpenCV and Pillow as MuseTalk uses them."""

from __future__ import annotations

import musetalk_blending as musetalk
import numpy as np
import pytest

from musetalk_fast.media.face import FaceFinder, find_face, mouth_box
from musetalk_fast.media.face.box import IBUG_68
from musetalk_fast.media.face.landmarks import Landmarks
from musetalk_fast.media.face.mask_region import (
    NOSE,
    PARSED,
    SKIN,
    Labels,
    MaskMode,
    MaskOptions,
    first_row,
    region_of,
)
from musetalk_fast.media.face.parsing_square import (
    mesh_labels,
    parser_input,
    softened,
    square_of,
)
from musetalk_fast.types import AvatarOptions, Box, Mask, Picture

SIZE = 400, 380


def corners(box: Box) -> tuple[int, int, int, int]:
    return box.x, box.y, box.x + box.width, box.y + box.height


@pytest.fixture(scope="module")
def labels() -> Labels:
    return musetalk.ragged_labels()


@pytest.mark.parametrize("mode", MaskMode)
@pytest.mark.parametrize(("left", "right", "upper"), [(90, 90, 0.5), (20, 160, 0.5), (0, 256, 0.1)])
def test_a_region_is_musetalks(labels, mode, left, right, upper) -> None:
    options = MaskOptions(
        mode=mode, left_cheek_width=left, right_cheek_width=right, upper_boundary=upper
    )
    found = region_of(labels, options)
    wanted = musetalk.region_of(labels, mode, left, right) > 0
    first = first_row(options)
    assert first < PARSED * upper
    assert np.array_equal(found[first:], wanted[first:])
    assert not found[:first].any()


BOXES = [Box(90, 60, 181, 203), Box(-20, 30, 150, 131), Box(200, 250, 260, 170), Box(9, 9, 33, 33)]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize(("upper", "blur"), [(0.5, 0.05), (0.5, 0.1), (0.35, 0.0), (0.6, 0.2)])
def test_a_mask_is_musetalks(labels, box, upper, blur) -> None:
    """To two levels, on average to a fiftieth of one: OpenCV blurs in whole numbers."""
    region = musetalk.region_of(labels, "jaw")
    options = MaskOptions(upper_boundary=upper, blur=blur)
    place, mask = softened(region > 0, box, options, SIZE, 1024)
    found = _laid(place, mask)
    x, y, side, _ = square_of(box)
    wanted = np.zeros((SIZE[1] + 1600, SIZE[0] + 1600), np.uint8)
    whole = musetalk.mask_of(region, corners(box), upper, blur)
    wanted[800 + y : 800 + y + side, 800 + x : 800 + x + side] = whole
    wanted[: 800 + box.y] = wanted[800 + box.y + box.height :] = 0  # the crop ends there
    wanted[:, : 800 + box.x] = wanted[:, 800 + box.x + box.width :] = 0
    error = np.abs(found - wanted[800 : 800 + SIZE[1], 800 : 800 + SIZE[0]].astype(int))
    assert error.max() <= 2
    assert error.mean() < 0.02
    assert found.max() > 60


def test_a_mask_in_less_detail_is_the_same_but_softer(labels) -> None:
    region = region_of(labels, MaskOptions())
    box = Box(-10, 20, 380, 351)
    exact, coarse = (
        _laid(*softened(region, box, MaskOptions(), SIZE, detail)) for detail in (1024, 256)
    )
    error = np.abs(exact - coarse)
    assert error.mean() < 0.3
    assert error.max() < 25


@pytest.mark.parametrize("box", [*BOXES, Box(250, 300, 160, 90)])
def test_the_parser_sees_what_musetalks_sees(astronaut: Picture, box: Box) -> None:
    picture = np.ascontiguousarray(astronaut[: SIZE[1], : SIZE[0]])
    wanted = musetalk.seen_by_the_parser(picture, corners(box))
    assert np.array_equal(parser_input(picture, (0, 0), box), wanted)
    x, y, side, _ = square_of(box)
    left, top = max(0, x), max(0, y)
    part = picture[top : max(0, y + side), left : max(0, x + side)]
    assert np.array_equal(parser_input(part, (left, top), box), wanted)


def test_the_mesh_has_a_faces_parts(hopper: Picture, finder: FaceFinder) -> None:
    found = find_face(hopper, AvatarOptions(), finder)
    points = found.landmarks.points[:, :2].astype(np.float64)
    square = square_of(found.box)
    labels = mesh_labels(points, found.box)

    def at(point: int) -> int:
        x, y = ((points[point] - square[:2]) * PARSED / square.width).astype(int)
        return int(labels[y, x])

    assert (at(4), at(14), at(205), at(425), at(199)) == (NOSE, 13, SKIN, SKIN, SKIN)
    assert labels[0, 0] == labels[-1, -1] == 0
    height, width = hopper.shape[:2]
    areas = {}
    for name, options in {
        "default": MaskOptions(),
        "raw": MaskOptions(mode=MaskMode.RAW),
        "left": MaskOptions(left_cheek_width=20),
        "right": MaskOptions(right_cheek_width=20),
        "high": MaskOptions(upper_boundary=0.4),
    }.items():
        place, mask = softened(
            region_of(labels, options), found.box, options, (width, height), 1024
        )
        out = np.zeros((height, width))
        out[place.y : place.y + place.height, place.x : place.x + place.width] = mask
        middle = found.box.x + found.box.width // 2
        areas[name] = out[:, :middle].sum(), out[:, middle:].sum()
    assert areas["left"][0] < 0.9 * areas["default"][0]
    assert areas["left"][1] == areas["default"][1]
    assert areas["right"][1] < 0.9 * areas["default"][1]
    assert sum(areas["high"]) > 1.1 * sum(areas["default"])
    assert sum(areas["raw"]) != sum(areas["default"])


@pytest.mark.parametrize(("shift", "margin"), [(0, 10), (0, 0), (4, 0), (-6, 15), (0, 60)])
@pytest.mark.parametrize("offset", [(120, 90), (-25, 3), (260, 200)])
def test_the_box_of_given_landmarks_is_musetalks(shift, margin, offset) -> None:
    rng = np.random.default_rng(68)
    points = np.zeros((478, 3), np.float32)
    points[:, :2] = rng.uniform((0, 30), (140, 150), (478, 2)) + offset
    points[IBUG_68[29], :2] = (70.4 + offset[0], 88.9 + offset[1])
    points[[13, 14], 1] = 135 + offset[1]
    own = Landmarks(points, 20, Box(0, 0, 1, 1))
    given = np.floor(points[list(IBUG_68), :2]).astype(int)
    found = mouth_box(own, AvatarOptions(bbox_shift=shift, extra_margin=margin), *SIZE)
    assert corners(found) == musetalk.box_of(given, shift, margin, SIZE[1])


def _laid(place: Box, mask: Mask) -> np.ndarray:
    """A mask in its frame."""
    out = np.zeros(SIZE[::-1], int)
    out[place.y : place.y + place.height, place.x : place.x + place.width] = mask
    return out
