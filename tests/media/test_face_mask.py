"""MuseTalk's soft jaw mask from landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from musetalk_fast.media.face import FaceFinder, FoundFace, find_face
from musetalk_fast.media.face.anatomy import LOWER_INNER, MIDDLE, NOSE_TIP
from musetalk_fast.media.face.mask import blur_kernel, jaw_mask
from musetalk_fast.types import AvatarOptions, Box, Picture


@dataclass(frozen=True)
class Portrait:
    rgb: Picture
    found: FoundFace

    @property
    def points(self) -> NDArray[np.float64]:
        return self.found.landmarks.points[:, :2].astype(np.float64)


@pytest.fixture(scope="module")
def smiling(astronaut: Picture, finder: FaceFinder) -> Portrait:
    return Portrait(astronaut, find_face(astronaut, AvatarOptions(), finder))


@pytest.fixture(scope="module")
def closed(hopper: Picture, finder: FaceFinder) -> Portrait:
    return Portrait(hopper, find_face(hopper, AvatarOptions(), finder))


@pytest.fixture(params=["smiling", "closed"])
def portrait(request: pytest.FixtureRequest) -> Portrait:
    found: Portrait = request.getfixturevalue(request.param)
    return found


def full_mask(portrait: Portrait, box: Box | None = None) -> np.ndarray:
    """The mask laid into its picture."""
    height, width = portrait.rgb.shape[:2]
    place, mask = jaw_mask(portrait.points, box or portrait.found.box, width, height)
    out = np.zeros((height, width), np.uint8)
    out[place.y : place.y + place.height, place.x : place.x + place.width] = mask
    return out


@pytest.mark.parametrize(
    ("width", "height", "kernel"), [(91, 124, 9), (430, 400, 33), (1000, 1000, 75), (40, 32, 3)]
)
def test_the_blur_is_that_of_the_offline_path(width: int, height: int, kernel: int) -> None:
    assert blur_kernel(Box(0, 0, width, height)) == kernel
    assert kernel % 2 == 1


def test_nothing_above_the_middle_of_the_box_but_the_blur(portrait: Portrait) -> None:
    box = portrait.found.box
    middle = box.y + box.height // 2
    assert not full_mask(portrait)[: middle - blur_kernel(box) // 2 - 1].any()


def test_it_lies_in_the_box_and_fits_tightly(portrait: Portrait) -> None:
    box = portrait.found.box
    place, mask = jaw_mask(portrait.points, box, portrait.rgb.shape[1], portrait.rgb.shape[0])
    assert mask.shape == (place.height, place.width)
    assert mask.dtype == np.uint8
    assert mask.flags.c_contiguous
    assert box.x <= place.x
    assert box.y + box.height // 3 < place.y
    assert place.x + place.width <= box.x + box.width
    assert place.y + place.height <= box.y + box.height
    for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
        assert edge.any()


def test_it_takes_mouth_and_chin_and_leaves_nose_and_background(portrait: Portrait) -> None:
    mask, box = full_mask(portrait), portrait.found.box

    def at(point: np.ndarray) -> int:
        return int(mask[int(point[1]), int(point[0])])

    assert at(portrait.points[LOWER_INNER[MIDDLE]]) == 255
    assert at(portrait.points[61]) == 255
    assert at(portrait.points[152] - [0, 3]) > 150
    assert at(portrait.points[NOSE_TIP]) < 128
    assert mask[box.y + box.height - 1, box.x] == 0
    assert mask[box.y + box.height - 1, box.x + box.width - 1] == 0


def test_it_is_soft(portrait: Portrait) -> None:
    mask = full_mask(portrait).astype(int)
    limit = 255 * 4 / blur_kernel(portrait.found.box)
    inside = mask[:, portrait.found.box.x + 1 : portrait.found.box.x + portrait.found.box.width]
    assert np.abs(np.diff(inside, axis=1)).max() <= limit


def test_a_box_beyond_the_picture_is_cut(smiling: Portrait) -> None:
    height, width = smiling.rgb.shape[:2]
    points = smiling.points + np.array([width - smiling.points[4, 0], 0])
    box = Box(*(int(v) for v in points.min(axis=0)), 91, 124)
    place, mask = jaw_mask(points, box, width, height)
    assert place.x + place.width == width
    assert mask.shape == (place.height, place.width)


def test_a_face_outside_the_picture_has_an_empty_mask(smiling: Portrait) -> None:
    place, mask = jaw_mask(smiling.points + 5000, Box(5180, 5064, 91, 124), 512, 512)
    assert (place.width, place.height, mask.size) == (0, 0, 0)


def test_a_large_face_has_the_same_mask_only_larger(closed: Portrait) -> None:
    box, (height, width) = closed.found.box, closed.rgb.shape[:2]
    large = Box(*(each * 12 for each in box))
    place, mask = jaw_mask(closed.points * 12, large, width * 12, height * 12)
    small = full_mask(closed)[box.y + box.height * 5 // 8, box.x : box.x + box.width].astype(int)
    row = mask[large.y + large.height * 5 // 8 - place.y]
    wide = np.zeros(large.width, int)
    wide[place.x - large.x : place.x - large.x + place.width] = row
    assert np.abs(wide[6::12] - small).mean() < 8
