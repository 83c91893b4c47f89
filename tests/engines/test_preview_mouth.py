"""What a posed mouth looks like."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from musetalk_fast.engines.preview import painting, painting_reference
from musetalk_fast.engines.preview.motion import FaceShape
from musetalk_fast.engines.preview.mouth import Mouth, MouthPose, make_mouth, pose_mouth
from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.errors import FaceSizeError
from musetalk_fast.media.face import find_face
from musetalk_fast.media.face.anatomy import LOWER_INNER, MIDDLE, NOSE_TIP, UPPER_INNER
from musetalk_fast.types import AvatarOptions, Box, Crop

POSES = [
    MouthPose(*pose) for pose in itertools.product((0, 0.03, 0.3, 0.77, 1), (-1, 0.1, 1), (0, 0.4))
]


def paint(mouth: Mouth, opened: float, wide: float = 0, rest: float = 0) -> Crop:
    return painting.paint(mouth, pose_mouth(mouth, MouthPose(opened, wide, rest)))


def difference(one: Crop, other: Crop) -> np.ndarray:
    return np.abs(one.astype(int) - other.astype(int)).sum(axis=-1)


def lips_apart(portrait, crop: Crop) -> float:
    """The gap between the lips of a portrait with a crop, as the face's landmarks see it."""
    found = find_face(portrait.showing(crop), AvatarOptions(), list_others=False)
    points = found.landmarks.points[:, :2].astype(np.float64)
    return FaceShape.of(points, MouthSpace.of(points, found.box)).features.gap


def test_a_closed_mouth_rests_as_in_the_photo(closed) -> None:
    for opened, wide in itertools.product((0, 0.5, 1), (-1, 0, 1)):
        assert np.array_equal(paint(closed.mouth, opened, wide, rest=1), closed.mouth.photo)


@pytest.mark.parametrize("name", ["smiling", "gaping"])
def test_an_open_mouth_rests_with_its_lips_together(name: str, request) -> None:
    portrait = request.getfixturevalue(name)
    rest = paint(portrait.mouth, 0.9, 0.5, rest=1)
    assert np.array_equal(rest, paint(portrait.mouth, 0, 0))
    space = MouthSpace.of(portrait.points, portrait.found.box)
    assert FaceShape.of(portrait.points, space).features.gap > 0.12
    assert lips_apart(portrait, rest) < 0.02
    assert lips_apart(portrait, paint(portrait.mouth, 1)) > 0.12


def test_lips_that_are_hardly_parted_rest_between_the_two(smiling) -> None:
    doubtful = replace(smiling.mouth, parted=0.5)
    rest = pose_mouth(doubtful, MouthPose(0, 0, 1))
    shut = pose_mouth(smiling.mouth, MouthPose(0, 0, 0))
    assert np.allclose(rest.maps, shut.maps / 2)
    assert np.allclose(rest.curves, (shut.curves + smiling.mouth.curves) / 2, atol=1e-6)


def test_rest_is_reached_without_a_jump(portrait) -> None:
    almost, rest = (paint(portrait.mouth, 0.6, 0.3, rest=each) for each in (0.995, 1))
    assert difference(almost, rest).max() <= 12


@pytest.mark.parametrize(("opened", "most"), [(0, 0), (0.5, 15), (1, 40)])
def test_a_wide_smile_has_no_dark_spots_in_its_corners(smiling, opened: float, most: int) -> None:
    """The photo has 42 pixels of them, which closed lips must cover and open ones not enlarge."""
    space = MouthSpace.of(smiling.points, smiling.found.box)
    columns, rows = np.meshgrid(np.arange(256), np.arange(256))
    places = space.from_crop(np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(float))
    across, down = np.abs(places[:, 0]), places[:, 1]
    corners = (across > 0.42) & (across < 0.6) & (down > -0.15) & (down < 0.2)
    crop = paint(smiling.mouth, opened, 1).reshape(-1, 3)[corners].astype(float)
    assert (crop.mean(axis=1) < 60).sum() <= most


@pytest.mark.parametrize("pose", [(0, 0), (1, 0), (1, -1), (1, 1)])
def test_only_what_is_below_the_nose_changes(portrait, pose) -> None:
    space = MouthSpace.of(portrait.points, portrait.found.box)
    tip = space.to_crop(space.from_picture(portrait.points[[NOSE_TIP]]))[0, 1]
    changed = difference(paint(portrait.mouth, *pose), portrait.mouth.photo) > 0
    assert np.flatnonzero(changed.any(axis=1))[0] > tip


@pytest.mark.parametrize("pose", [(0, 0), (1, 0), (1, -1), (1, 1)])
def test_the_border_is_the_photo_so_that_pasting_leaves_no_seam(portrait, pose) -> None:
    changed = difference(paint(portrait.mouth, *pose), portrait.mouth.photo) > 0
    assert changed.any()
    assert not changed[-1].any()
    assert not changed[:, [0, -1]].any()


def test_the_mouth_opens_further_and_further(portrait) -> None:
    shut = paint(portrait.mouth, 0)
    openings = np.linspace(0, 1, 11)
    gaps = [pose_mouth(portrait.mouth, MouthPose(each, 0, 0)).gap for each in openings]
    areas = [int((difference(paint(portrait.mouth, each), shut) > 60).sum()) for each in openings]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 0.15
    assert areas == sorted(areas)
    assert areas[-1] > 500


def test_an_open_mouth_is_dark_inside(portrait) -> None:
    space = MouthSpace.of(portrait.points, portrait.found.box)
    posed = pose_mouth(portrait.mouth, MouthPose(1, 0, 0))
    lower = posed.curves[1, posed.curves.shape[1] // 2]
    column, row = space.to_crop(np.array([[0.0, lower - 0.035]]))[0].round().astype(int)
    assert paint(portrait.mouth, 1)[row, column].mean() < 90


def test_closed_lips_leave_no_more_than_a_line(portrait) -> None:
    posed = pose_mouth(portrait.mouth, MouthPose(0, 0, 0))
    assert np.abs(posed.curves[1] - posed.curves[0]).max() < 0.02


def test_a_smile_closes_over_its_teeth(smiling) -> None:
    upper, lower = (smiling.points[row[MIDDLE]] for row in (UPPER_INNER, LOWER_INNER))
    space = MouthSpace.of(smiling.points, smiling.found.box)
    teeth = space.to_crop(space.from_picture((upper + lower)[None] / 2))[0].round().astype(int)
    around = np.s_[teeth[1] - 3 : teeth[1] + 4, teeth[0] - 15 : teeth[0] + 16]

    def redness(crop: Crop) -> float:
        red, green, _ = crop[around].reshape(-1, 3).astype(float).mean(axis=0)
        return float(red / green)

    assert redness(paint(smiling.mouth, 0)) > redness(smiling.mouth.photo) + 0.05


def test_rounding_narrows_more_than_spreading_widens(portrait) -> None:
    rounded, plain, spread = (
        pose_mouth(portrait.mouth, MouthPose(0.3, wide, 0)).half for wide in (-1, 0, 1)
    )
    assert rounded < 0.8 * plain
    assert plain < spread < 1.1 * plain


def test_the_gap_is_capped_by_the_chin(portrait) -> None:
    space = MouthSpace.of(portrait.points, portrait.found.box)
    places = space.from_picture(portrait.points)
    below = places[152, 1] - places[LOWER_INNER[MIDDLE], 1]
    assert pose_mouth(portrait.mouth, MouthPose(1, 0, 0)).gap <= 0.301 * below
    assert pose_mouth(portrait.mouth, MouthPose(9, 5, -3)).gap <= 0.301 * below


@pytest.mark.parametrize("pose", POSES, ids=str)
def test_the_kernel_equals_its_numpy_reference_within_a_level(portrait, pose: MouthPose) -> None:
    posed = pose_mouth(portrait.mouth, pose)
    ours = painting.paint(portrait.mouth, posed).astype(int)
    assert np.abs(ours - painting_reference.paint(portrait.mouth, posed)).max() <= 1


def test_the_same_face_and_pose_give_the_same_bytes(portrait) -> None:
    again = make_mouth(portrait.rgb, portrait.found.landmarks.points, portrait.found.box)
    assert np.array_equal(paint(again, 0.61, -0.2, 0.1), paint(portrait.mouth, 0.61, -0.2, 0.1))


def test_small_steps_make_small_changes(portrait) -> None:
    steps = [paint(portrait.mouth, each) for each in np.linspace(0.3, 0.4, 11)]
    for one, other in itertools.pairwise(steps):
        assert difference(one, other).mean() < 2


def test_it_writes_to_the_given_memory(smiling) -> None:
    batch = np.zeros((2, 256, 256, 3), np.uint8)
    posed = pose_mouth(smiling.mouth, MouthPose(0.5, 0, 0))
    assert painting.paint(smiling.mouth, posed, batch[1]) is not None
    assert np.array_equal(batch[1], painting.paint(smiling.mouth, posed))
    assert not batch[0].any()


@pytest.mark.parametrize("degrees", [-50, 50])
def test_a_tilted_head_opens_along_its_own_axis(closed, degrees: int) -> None:
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    middle = np.array([closed.rgb.shape[1], closed.rgb.shape[0]]) / 2
    points = (closed.points - middle) @ matrix + middle
    low, high = points.min(axis=0).astype(int), points.max(axis=0).astype(int)
    mouth = make_mouth(closed.rgb, points, Box(*low, *(high - low)))
    upright = pose_mouth(closed.mouth, MouthPose(1, 0, 0)).gap
    assert pose_mouth(mouth, MouthPose(1, 0, 0)).gap == pytest.approx(upright, rel=1e-3)
    posed = pose_mouth(mouth, MouthPose(1, 0, 0))
    assert np.isfinite(posed.maps).all()
    assert np.abs(posed.maps).max() < 40


@pytest.mark.parametrize("degrees", [-75, -40, 40, 75])
def test_a_turned_head_has_finite_poses(closed, degrees: int) -> None:
    turn = np.deg2rad(degrees)
    points = closed.found.landmarks.points.astype(np.float64)
    middle = points.mean(axis=0)
    across = (points - middle)[:, 0] * np.cos(turn) + (points - middle)[:, 2] * np.sin(turn)
    turned = np.stack([across + middle[0], points[:, 1]], axis=1)
    low, high = turned.min(axis=0).astype(int), turned.max(axis=0).astype(int)
    mouth = make_mouth(closed.rgb, turned, Box(*low, *(high - low)))
    for pose in POSES[::4]:
        posed = pose_mouth(mouth, pose)
        assert np.isfinite(posed.maps).all()
        assert np.isfinite(posed.curves).all()
        assert difference(painting.paint(mouth, posed), mouth.photo).max() <= 3 * 255


def test_a_mouth_too_narrow_to_move_is_refused(closed) -> None:
    points = closed.points.copy()
    points[:, 0] = points[:, 0] * 0.05 + 250
    with pytest.raises(FaceSizeError, match=r"3\.9 pixels wide, less than 6") as refused:
        make_mouth(closed.rgb, points, closed.found.box)
    assert "from the front" in refused.value.hint
