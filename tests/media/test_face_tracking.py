"""One face of a clip is followed, never another person's."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from PIL import Image

from musetalk_fast.errors import FaceOptionsError, NoFaceError, UsageError
from musetalk_fast.media.face import BoxSmoother, FaceFinder, FaceTracker, Landmarks
from musetalk_fast.media.face.landmarks import average_face
from musetalk_fast.media.face.tracking import TurnLimit
from musetalk_fast.types import AvatarOptions, Box, Picture

Place = float | None
"""Where a head's middle is, from the left; None: it is not there."""


@pytest.fixture(scope="module")
def quick() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def heads(astronaut: Picture, hopper: Picture) -> list[Image.Image]:
    """The astronaut's and Grace Hopper's, of one size."""
    one, other = Image.fromarray(astronaut), Image.fromarray(hopper)
    return [
        one.crop((150, 20, 310, 210)).resize((126, 150)),
        other.crop((140, 90, 380, 380)).resize((124, 150)),
    ]


def _frame(heads: list[Image.Image], *places: Place) -> Picture:
    """A frame with each head at its place, the last one in front."""
    picture = Image.new("RGB", (480, 270), (90, 100, 110))
    for head, place in zip(heads, places, strict=True):
        if place is not None:
            picture.paste(head, (round(place) - head.width // 2, 60))
    return np.array(picture)


def _tracked(
    frames: Iterable[Picture], finder: FaceFinder, options: AvatarOptions
) -> list[float | None]:
    """The middle of the face in each frame."""
    tracker = FaceTracker(options, finder)
    found = [tracker.track(frame) for frame in frames]
    places = [None if each is None else each.landmarks.place for each in found]
    return [None if place is None else place.x + place.width / 2 for place in places]


def test_two_who_cross_are_not_mixed_up(quick: FaceFinder, heads: list[Image.Image]) -> None:
    ways = [(90 + 30 * step, 390 - 30 * step) for step in range(11)]
    frames = [_frame(heads, *way) for way in ways]
    front = _tracked(frames, quick, AvatarOptions(face="right"))
    assert front == [pytest.approx(way[1], abs=12) for way in ways]  # never hidden
    behind = _tracked(frames, quick, AvatarOptions(face="left"))
    seen = [place is not None for place in behind]
    assert seen[:4] == seen[-4:] == [True] * 4
    assert not seen[5]  # hidden
    for place, (middle, _) in zip(behind, ways, strict=True):
        assert place is None or abs(place - middle) < 12


def test_who_takes_the_place_of_another_is_not_taken_for_him(
    quick: FaceFinder, heads: list[Image.Image]
) -> None:
    frames = [
        *(_frame(heads, 200, None) for _ in range(2)),
        *(_frame(heads, None, 200) for _ in range(4)),  # a cut
        *(_frame(heads, 215, None) for _ in range(2)),
    ]
    places = _tracked(frames, quick, AvatarOptions())
    assert places[:2] == [pytest.approx(200, abs=9)] * 2
    assert places[2:6] == [None] * 4
    assert places[6:] == [pytest.approx(215, abs=9)] * 2


def test_the_first_frame_that_shows_the_face_decides(
    quick: FaceFinder, heads: list[Image.Image]
) -> None:
    frames = [
        _frame(heads, 120, None),
        _frame(heads, 120, 340),
        _frame(heads, 130, 330),
    ]
    chosen = _tracked(frames, quick, AvatarOptions(face="1"))
    assert chosen == [None, pytest.approx(340, abs=9), pytest.approx(330, abs=9)]
    pointed = _tracked(frames, quick, AvatarOptions(face_center=(130, 140)))
    assert pointed == [pytest.approx(place, abs=9) for place in (120, 120, 130)]


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        (AvatarOptions(), NoFaceError, "no face found"),
        (AvatarOptions(face="3"), NoFaceError, "face 3 was asked for, but 1 face found"),
        (AvatarOptions(bbox_shift=900), FaceOptionsError, "bbox_shift 900"),
    ],
)
def test_why_no_frame_has_a_face(
    options: AvatarOptions,
    kind: type[Exception],
    words: str,
    quick: FaceFinder,
    heads: list[Image.Image],
) -> None:
    tracker = FaceTracker(options, quick)
    empty = np.full((128, 128, 3), 90, np.uint8)
    assert tracker.track(empty if options == AvatarOptions() else np.array(heads[0])) is None
    assert isinstance(tracker.refusal, kind)
    assert words in tracker.refusal.message


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (AvatarOptions(face="middle"), UsageError),
        (AvatarOptions(face_box=Box(900, 0, 50, 50)), NoFaceError),
        (AvatarOptions(face_center=(0, 900)), NoFaceError),
    ],
)
def test_what_no_frame_can_meet_is_refused_at_once(
    options: AvatarOptions, kind: type[Exception], quick: FaceFinder
) -> None:
    with pytest.raises(kind):
        FaceTracker(options, quick).track(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize("degrees", [0, 25, -40, 60])
def test_the_yaw_of_a_turned_head(degrees: int) -> None:
    face = average_face(Box(0, 0, 200, 220))
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [0, 0, 1]])
    turn[2] = -math.sin(angle), 0, math.cos(angle)
    turned = Landmarks((face.points @ turn.T).astype(np.float32), 20.0, face.box)
    assert turned.yaw == pytest.approx(abs(degrees), abs=4)


def test_a_head_at_the_limit_does_not_flicker() -> None:
    limit = TurnLimit()
    yaws = [40, 44, 46, 44, 40, 46, 37, 40, 44]
    assert [limit.is_beyond(yaw) for yaw in yaws] == [False] * 2 + [True] * 4 + [False] * 3


def _smoothed(boxes: list[Box | None]) -> list[Box | None]:
    smoother = BoxSmoother[int](is_on=True)
    out = [each for number, box in enumerate(boxes) for each in smoother.add(number, box)]
    out += smoother.finish()
    assert [number for number, _ in out] == list(range(len(boxes)))
    return [box for _, box in out]


def test_smooth_boxes_do_not_lag() -> None:
    steady = [Box(10 + 4 * step, 90 - 2 * step, 60 + 2 * step, 80) for step in range(20)]
    assert _smoothed(steady) == steady
    with_gap = [*steady[:7], None, *steady[8:9], None, *steady[10:]]
    assert _smoothed(with_gap) == with_gap
    tremble = np.random.default_rng(1).integers(-3, 4, (20, 4))
    boxes = [Box(*(np.array(box) + off)) for box, off in zip(steady, tremble, strict=True)]
    off = np.array(_smoothed(boxes)) - np.array(steady)
    assert np.square(off).mean() < 0.4 * np.square(tremble).mean()


def test_boxes_are_left_alone_by_default() -> None:
    smoother = BoxSmoother[str](is_on=False)
    boxes = [Box(3, 4, 50, 61), None, Box(9, 2, 57, 60)]
    assert [list(smoother.add("a", box)) for box in boxes] == [[("a", box)] for box in boxes]
    assert list(smoother.finish()) == []
