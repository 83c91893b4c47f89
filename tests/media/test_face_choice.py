from __future__ import annotations

import numpy as np
import pytest

from musetalk_fast.errors import (
    FaceOptionsError,
    FaceSizeError,
    FaceTurnedError,
    MouthHiddenError,
    NoFaceError,
    UsageError,
)
from musetalk_fast.media.face import (
    FaceFinder,
    FoundFace,
    Landmarks,
    choose,
    face_notes,
    find_face,
    mouth_box,
)
from musetalk_fast.media.face.box import IBUG_68, MIN_SIDE
from musetalk_fast.media.face.landmarks import MOUTH
from musetalk_fast.types import AvatarOptions, Box, Picture

# Measured once, with the shape of MuseTalk's box checked by eye; see test_the_box_is_as_musetalk.
BOXES = {"astronaut": Box(180, 64, 91, 124), "hopper": Box(171, 118, 183, 226)}


@pytest.mark.parametrize("name", BOXES)
def test_the_box_of_each_portrait(
    name: str, finder: FaceFinder, request: pytest.FixtureRequest
) -> None:
    picture = request.getfixturevalue(name)
    found = find_face(picture, AvatarOptions(), finder)
    np.testing.assert_allclose(found.box, BOXES[name], atol=3)
    assert face_notes(picture, found, finder) == ()


def test_find_face_loads_its_own_models(astronaut: Picture) -> None:
    assert isinstance(find_face(astronaut, AvatarOptions()), FoundFace)


@pytest.mark.parametrize(
    ("options", "is_right"),
    [
        ({"face": "largest"}, True),
        ({"face": "left"}, False),
        ({"face": "right"}, True),
        ({"face": "0"}, False),
        ({"face": "1"}, True),
        ({"face_center": (200, 170)}, False),
        ({"face_center": (950, 400)}, True),
        ({"face_box": Box(180, 110, 92, 110)}, False),
        ({"face_box": Box(680, 130, 190, 205), "face": "left"}, True),
    ],
)
def test_the_choice_of_two(
    options: dict[str, object], is_right: bool, finder: FaceFinder, couple: Picture
) -> None:
    found = find_face(couple, AvatarOptions(**options), finder)  # type: ignore[arg-type]
    assert (found.box.x > 512) == is_right


def test_the_choice_says_who_else_is_there(finder: FaceFinder, couple: Picture) -> None:
    selection = find_face(couple, AvatarOptions(), finder).selection
    assert (selection.chosen, selection.reason) == (1, "largest")
    places = [face.place for face in selection.faces]
    np.testing.assert_allclose(places, [(180, 110, 92, 109), (683, 131, 184, 203)], atol=4)
    alone = find_face(couple, AvatarOptions(), finder, list_others=False).selection
    assert alone.faces[alone.chosen].place == places[1]


@pytest.mark.parametrize("point", [(430, 300), (1000, 599), (226, 290)])
def test_a_point_beside_everybody_takes_nobody(
    point: tuple[int, int], finder: FaceFinder, couple: Picture
) -> None:
    with pytest.raises(NoFaceError, match=f"the point {point[0]},{point[1]}") as caught:
        find_face(couple, AvatarOptions(face_center=point), finder)
    assert "0 at 180,110 (92x109), 1 at 683,131 (184x203)" in str(caught.value.hint)


def _upside_down(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[::-1, ::-1])


@pytest.mark.parametrize("options", [{}, {"face_box": Box(157, 266, 184, 203)}])
def test_a_face_upside_down_is_called_so(
    options: dict[str, object], finder: FaceFinder, hopper: Picture
) -> None:
    with pytest.raises(FaceTurnedError, match="stands upside down"):
        find_face(_upside_down(hopper), AvatarOptions(**options), finder)  # type: ignore[arg-type]


def test_a_face_on_its_side_is_called_so(finder: FaceFinder, hopper: Picture) -> None:
    with pytest.raises(FaceTurnedError, match="lies on its side"):
        find_face(np.ascontiguousarray(np.rot90(hopper)), AvatarOptions(), finder)


def test_a_picture_cut_below_the_nose(finder: FaceFinder, hopper: Picture) -> None:
    cut = np.ascontiguousarray(hopper[:250])
    with pytest.raises(MouthHiddenError, match="lower border"):
        find_face(cut, AvatarOptions(face_box=Box(171, 131, 184, 203)), finder)


def test_a_covered_mouth_is_reported(finder: FaceFinder, hopper: Picture) -> None:
    covered = hopper.copy()
    covered[250:330, 200:330] = hopper[200, 300]
    found = find_face(covered, AvatarOptions(), finder)
    assert any("cover the mouth" in note for note in face_notes(covered, found, finder))


def test_a_trusted_box_is_an_average_face(finder: FaceFinder) -> None:
    blank, box = np.full((300, 300, 3), 128, np.uint8), Box(50, 40, 200, 228)
    found = find_face(blank, AvatarOptions(face_box=box), finder, trust_box=True)
    assert found.landmarks.place == box
    x, y = found.landmarks.points[13, :2]
    assert abs(x - 150) < 2
    assert 0.65 < (y - 40) / 228 < 0.75
    assert found.landmarks.points.shape == (478, 3)


def test_too_high_a_number_names_how_many_there_are(finder: FaceFinder, couple: Picture) -> None:
    with pytest.raises(NoFaceError, match="face 2 was asked for, but 2 faces found") as caught:
        find_face(couple, AvatarOptions(face="2"), finder)
    assert "--face 0 to 1" in str(caught.value.hint)


def test_too_high_a_number_for_one_face(finder: FaceFinder, astronaut: Picture) -> None:
    with pytest.raises(NoFaceError, match="but 1 face found") as caught:
        find_face(astronaut, AvatarOptions(face="7"), finder)
    assert "use --face 0 (0 at 180,70 (92x108)), or" in str(caught.value.hint)


@pytest.mark.parametrize("point", [(512, 0), (0, 512), (-1, 5), (5, -1), (10**9, 5)])
def test_a_point_outside_the_picture(
    point: tuple[int, int], finder: FaceFinder, astronaut: Picture
) -> None:
    with pytest.raises(NoFaceError, match="outside the picture of 512x512"):
        find_face(astronaut, AvatarOptions(face_center=point), finder)


def test_no_face_says_what_was_looked_for(finder: FaceFinder) -> None:
    picture = np.full((300, 300, 3), 128, np.uint8)
    with pytest.raises(NoFaceError, match="frontal faces of at least 3 %") as caught:
        find_face(picture, AvatarOptions(), finder)
    assert "--face-box" in str(caught.value.hint)
    assert caught.value.exit_code == 65


def test_no_face_in_the_named_box(finder: FaceFinder) -> None:
    picture = np.full((300, 300, 3), 128, np.uint8)
    with pytest.raises(NoFaceError, match="in the box 10,20,100,110") as caught:
        find_face(picture, AvatarOptions(face_box=Box(10, 20, 100, 110)), finder)
    assert "from the forehead to the chin" in str(caught.value.hint)
    assert "--no-face-check" in str(caught.value.hint)


@pytest.mark.parametrize(
    "box",
    [
        Box(600, 0, 50, 50),
        Box(0, 600, 50, 50),
        Box(-50, 0, 50, 50),
        Box(0, -50, 50, 50),
        Box(0, 0, 0, 50),
        Box(0, 0, 50, -5),
        Box(-(10**12), -(10**12), 2 * 10**12, 2 * 10**12),
    ],
)
def test_a_box_that_makes_no_sense(box: Box, finder: FaceFinder, astronaut: Picture) -> None:
    with pytest.raises(NoFaceError, match="outside the picture of 512x512"):
        find_face(astronaut, AvatarOptions(face_box=box), finder)


@pytest.mark.parametrize("face", ["", "middle", "-1", "1.5", "²", "99999", "Largest"])
def test_a_face_that_is_no_choice(face: str, finder: FaceFinder, astronaut: Picture) -> None:
    with pytest.raises(UsageError, match="is not a choice") as caught:
        find_face(astronaut, AvatarOptions(face=face), finder)
    assert "largest, left, right" in str(caught.value.hint)


def _face_at(scale: float = 1.0, offset: tuple[float, float] = (0.0, 0.0)) -> Landmarks:
    """A face of jaw 100 wide, bridge at 60, lips at 90, chin at 120, before scale and offset."""
    points = np.full((478, 3), 50.0, np.float32)
    points[127, :2], points[356, :2] = (0.5, 40.5), (100.5, 40.5)
    points[33, :2], points[263, :2] = (30.0, 40.0), (70.0, 40.0)
    points[[70, 300], 1] = 25.0
    points[5, :2], points[152, :2] = (50.0, 60.5), (50.0, 120.5)
    points[MOUTH, 1] = 90.0
    points[:, :2] = points[:, :2] * scale + offset
    return Landmarks(points, 20.0, Box(0, 0, 1, 1))


def test_the_box_is_as_musetalk_computes_it() -> None:
    box = mouth_box(_face_at(), AvatarOptions(extra_margin=10), 500, 500)
    assert box == Box(0, 0, 100, 130)
    box = mouth_box(_face_at(offset=(200, 100)), AvatarOptions(extra_margin=0), 500, 500)
    assert box == Box(200, 100, 100, 120)


def test_shift_moves_the_upper_edge_twice_as_far() -> None:
    face = _face_at(offset=(200, 100))
    plain = mouth_box(face, AvatarOptions(), 500, 500)
    down = mouth_box(face, AvatarOptions(bbox_shift=7), 500, 500)
    assert down == Box(plain.x, plain.y + 14, plain.width, plain.height - 14)


def test_the_margin_ends_at_the_picture() -> None:
    face = _face_at(offset=(200, 100))
    assert mouth_box(face, AvatarOptions(extra_margin=50), 500, 500).height == 170
    assert mouth_box(face, AvatarOptions(extra_margin=50), 500, 230).height == 130


def test_the_box_may_leave_the_picture_sideways() -> None:
    assert mouth_box(_face_at(offset=(-20, 0)), AvatarOptions(), 60, 500).x == -20


@pytest.mark.parametrize(
    "options", [{"bbox_shift": 60}, {"bbox_shift": -40}, {"bbox_shift": 10**9}]
)
def test_a_shift_that_leaves_the_mouth_out_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(FaceOptionsError, match="the mouth in its lower half") as caught:
        mouth_box(_face_at(), AvatarOptions(**options), 500, 500)
    assert "(--bbox-shift) from -35 to 25" in str(caught.value.hint)
    assert caught.value.exit_code == 65


def test_the_allowed_shifts_are_those_that_are_taken() -> None:
    assert mouth_box(_face_at(), AvatarOptions(bbox_shift=-35), 500, 500)
    assert mouth_box(_face_at(), AvatarOptions(bbox_shift=25), 500, 500).height == 80
    for shift in (-36, 26):
        with pytest.raises(FaceOptionsError):
            mouth_box(_face_at(), AvatarOptions(bbox_shift=shift), 500, 500)


@pytest.mark.parametrize("margin", [-60, 61, 80, 10**9])
def test_a_margin_that_leaves_the_mouth_out_is_refused(margin: int) -> None:
    with pytest.raises(FaceOptionsError, match=f"extra_margin {margin}") as caught:
        mouth_box(_face_at(), AvatarOptions(extra_margin=margin), 500, 500)
    assert "an extra_margin (--extra-margin) from 0 to 60" in str(caught.value.hint)
    assert mouth_box(_face_at(), AvatarOptions(extra_margin=60), 500, 500).height == 180


def test_where_only_both_are_too_much_neither_is_advised() -> None:
    with pytest.raises(FaceOptionsError) as caught:
        mouth_box(_face_at(), AvatarOptions(bbox_shift=90, extra_margin=900), 2000, 2000)
    assert "leave them out" in str(caught.value.hint)


def test_the_smallest_face() -> None:
    scale = MIN_SIDE / 100
    assert mouth_box(_face_at(scale * 1.01), AvatarOptions(), 500, 500).width == MIN_SIDE
    with pytest.raises(FaceSizeError, match="smaller than 32x32") as caught:
        mouth_box(_face_at(scale * 0.95), AvatarOptions(), 500, 500)
    assert "larger picture" in str(caught.value.hint)


def test_each_of_the_68_points_is_another() -> None:
    assert len(IBUG_68) == 68
    assert len(set(IBUG_68)) == 68


def test_choose_takes_what_it_is_given() -> None:
    faces = [_face_at(), _face_at(2.0, (300, 0)), _face_at(offset=(600, 0))]
    assert [choose(faces, face) for face in ("left", "right", "1")] == [0, 2, 1]
    with pytest.raises(NoFaceError):
        choose(faces, "3")


def _shrunk(picture: Picture, factor: float) -> Picture:
    from PIL import Image

    height, width = picture.shape[:2]
    small = Image.fromarray(picture).resize((int(width * factor), int(height * factor)))
    canvas = np.full((400, 400, 3), 100, np.uint8)
    canvas[50 : 50 + small.height, 50 : 50 + small.width] = np.array(small)
    return canvas


def _noted(words: str, picture: Picture, finder: FaceFinder) -> bool:
    found = find_face(picture, AvatarOptions(), finder)
    return any(words in note for note in face_notes(picture, found, finder))


def test_a_tiny_face_is_reported(finder: FaceFinder, hopper: Picture) -> None:
    assert _noted("tiny", _shrunk(hopper, 0.3), finder)


def test_a_face_too_small_for_the_model(finder: FaceFinder, hopper: Picture) -> None:
    with pytest.raises(FaceSizeError):
        find_face(_shrunk(hopper, 0.13), AvatarOptions(), finder)


def test_a_face_cut_by_the_border_is_reported(finder: FaceFinder, hopper: Picture) -> None:
    assert _noted("cut by the picture's lower border", np.ascontiguousarray(hopper[:310]), finder)
    assert _noted("cut by the picture's left border", np.ascontiguousarray(hopper[:, 210:]), finder)


def test_a_turned_face_is_reported(finder: FaceFinder, hopper: Picture) -> None:
    from PIL import Image

    turned = np.array(Image.fromarray(hopper).rotate(50, expand=True))
    assert _noted("turned by 5", turned, finder)
