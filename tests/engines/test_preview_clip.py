"""The preview engine on a video: the mouth moves with the head, and is made of each frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from musetalk_fast.engines.base import never_cancelled
from musetalk_fast.engines.preview import painting_reference
from musetalk_fast.engines.preview.clip import ClipAvatar, prepare_clip
from musetalk_fast.engines.preview.clip_file import steadied
from musetalk_fast.engines.preview.crop import photo_crop
from musetalk_fast.engines.preview.engine import PreviewEngine
from musetalk_fast.engines.preview.mouth import MouthPose, pose_mouth
from musetalk_fast.engines.preview.painting import paint
from musetalk_fast.engines.preview.pixels import crop_rows
from musetalk_fast.engines.preview.spline import displacement, influence
from musetalk_fast.errors import ImageFormatError, NoFaceError
from musetalk_fast.media.face import FaceFinder
from musetalk_fast.media.face.anatomy import LOWER_OUTER, UPPER_OUTER
from musetalk_fast.server.full_frame_paster import FullFramePaster
from musetalk_fast.types import AvatarOptions, Box, Face, Picture

WIDTH, HEIGHT = 480, 400
COUNT = 12
DARK, GONE = 9, 10
"""Source frames: one with half the light, one without anybody."""
POSE = MouthPose(0.6, 0.1, 0.0)


@dataclass
class Moving:
    """An avatar whose pictures are made when they are asked for."""

    portrait: Image.Image
    width = WIDTH
    height = HEIGHT
    frames = COUNT
    rate = Fraction(25)

    def affine(self, source: int) -> NDArray[np.float64]:
        """Pixels of a source frame -> of the portrait: it pans, zooms and rolls."""
        share = source / (COUNT - 1)
        zoom, roll = 1.0 + 0.25 * share, np.radians(-7 + 14 * share)
        cos, sin = np.cos(roll) / zoom, np.sin(roll) / zoom
        turn = np.array([[cos, sin], [-sin, cos]])
        middle = np.array([WIDTH / 2 - 30 + 60 * share, HEIGHT / 2 + 10 * share])
        return np.column_stack([turn, np.array([262, 240]) - turn @ middle])

    def picture(self, source: int) -> Picture:
        shown = self.portrait.transform(
            (WIDTH, HEIGHT),
            Image.Transform.AFFINE,
            tuple(self.affine(source).ravel()),
            Image.Resampling.BICUBIC,
        )
        light = {DARK: 0.5, GONE: 0.0}.get(source, 1.0)
        return (np.asarray(shown) * light).astype(np.uint8)

    def partial_pictures(self) -> Iterator[Picture]:
        return (self.picture(source) for source in range(self.frames))


@dataclass(frozen=True)
class Prepared:
    source: Moving
    avatar: ClipAvatar
    reported: list[tuple[int, int, Face | None]]


@pytest.fixture(scope="module")
def clip(closed, tmp_path_factory) -> Prepared:
    source, reported = Moving(Image.fromarray(closed.rgb)), []
    avatar = prepare_clip(
        source,
        AvatarOptions(),
        FaceFinder(),
        tmp_path_factory.mktemp("clip"),
        lambda *face: reported.append(face),
        never_cancelled,
    )
    return Prepared(source, avatar, reported)


def _pasted(clip: Prepared, source: int) -> Picture:
    face = clip.avatar.faces[source]
    assert face is not None
    crop = paint(*clip.avatar.posed(source, POSE))
    return FullFramePaster(clip.source.picture(source), face).frame(crop)


def _back(clip: Prepared, source: int, picture: Picture, size: tuple[int, int]) -> NDArray:
    """A source frame as the portrait lay before it moved, brightness."""
    inverse = np.linalg.inv(np.vstack([clip.source.affine(source), [0, 0, 1]]))[:2]
    grey = Image.fromarray(picture).convert("L")
    moved = grey.transform(
        size, Image.Transform.AFFINE, tuple(inverse.ravel()), Image.Resampling.BICUBIC
    )
    return np.asarray(moved, np.float64)


def _shift(picture: NDArray, pattern: NDArray) -> NDArray:
    """By how many pixels a picture differs from a pattern (Lucas and Kanade, 1981)."""
    down, across = np.gradient(pattern)
    slopes = np.stack([across.ravel(), down.ravel()])
    return np.linalg.solve(slopes @ slopes.T, slopes @ (pattern - picture).ravel())


def test_the_mouth_sticks_to_the_head(clip, closed) -> None:
    points = closed.points[[*UPPER_OUTER, *LOWER_OUTER]]
    left, top = points.min(axis=0).astype(int) - 4
    right, bottom = points.max(axis=0).astype(int) + 10
    sources = [source for source in range(COUNT) if source not in (DARK, GONE)]
    size = (closed.rgb.shape[1], closed.rgb.shape[0])
    mouths = np.stack(
        [
            _back(clip, source, _pasted(clip, source), size)[top:bottom, left:right]
            for source in sources
        ]
    )
    pattern = mouths.mean(axis=0)
    scales = [1 / np.hypot(*clip.source.affine(source)[0, :2]) for source in sources]
    shifts = [scale * _shift(mouth, pattern) for scale, mouth in zip(scales, mouths, strict=True)]
    assert np.sqrt((np.square(shifts)).sum(axis=1).mean()) <= 0.5  # pixels of the frame
    own = _back(clip, sources[0], clip.source.picture(sources[0]), size)[top:bottom, left:right]
    assert np.abs(pattern - own).max() > 40  # the mouth is open


def test_a_crop_is_made_of_its_own_frame(clip) -> None:
    bright, dark = (paint(*clip.avatar.posed(each, POSE)) for each in (DARK - 1, DARK))
    first = 140  # teeth and lips, cheeks and chin
    ratio = dark[first:].astype(float).mean() / bright[first:].mean()
    assert ratio == pytest.approx(0.5, abs=0.04)
    photo = photo_crop(clip.source.picture(0), clip.avatar.faces[0].box)
    crop = paint(*clip.avatar.posed(0, POSE))
    assert np.abs(crop[-1].astype(int) - photo[-1]).mean() < 2.5  # the border shows the frame


@pytest.mark.parametrize("source", [0, DARK, COUNT - 1])
def test_the_kernel_equals_its_numpy_reference_on_a_moved_head(clip, source: int) -> None:
    posed = clip.avatar.posed(source, MouthPose(0.9, 0.2, 0.0))
    assert np.abs(paint(*posed).astype(int) - painting_reference.paint(*posed)).max() <= 1


def test_carried_maps_equal_their_numpy_reference(clip) -> None:
    avatar = clip.avatar
    for source in (0, COUNT - 1):
        frame = avatar._file.frame(source)
        carried = avatar._carrier.to_frame(frame.mesh, frame.box)
        posed = pose_mouth(avatar._mouth, POSE)
        parts = (posed.maps, carried.turned, carried.moved, carried.free)
        expected = painting_reference.carried_maps(*parts, avatar._carrier.frames(carried))
        made = avatar._carrier.maps(posed, carried)
        np.testing.assert_allclose(made, expected, atol=1e-4)
        assert np.abs(made).max() > 3


def test_the_clips_own_mouth_does_not_come_back(clip) -> None:
    rest = paint(*clip.avatar.posed(3, MouthPose(0.8, 0.5, 1.0)))
    np.testing.assert_array_equal(rest, paint(*clip.avatar.posed(3, MouthPose(0, 0, 0))))


def test_each_source_frame_has_its_face(clip) -> None:
    faces = clip.avatar.faces
    assert [(source, total) for source, total, _ in clip.reported] == [
        (source, COUNT) for source in range(COUNT)
    ]
    assert (len(faces), faces[GONE], clip.reported[GONE][2]) == (COUNT, None, None)
    for source, _, face in clip.reported:
        if face is not None:
            again = faces[source]
            assert (again.source, again.box, again.mask_box) == (source, face.box, face.mask_box)
            np.testing.assert_array_equal(again.mask, face.mask)
    assert [face is None for face in faces] == [source == GONE for source in range(COUNT)]
    assert [face.source for face in faces[2:4]] == [2, 3]
    with pytest.raises(IndexError):
        faces[COUNT]


def test_a_smoothed_box_has_a_crop_of_its_own(closed, tmp_path: Path) -> None:
    source, reported = Moving(Image.fromarray(closed.rgb)), []
    source.frames = 3
    avatar = prepare_clip(
        source,
        AvatarOptions(smooth=True),
        FaceFinder(),
        tmp_path,
        lambda *face: reported.append(face),
        never_cancelled,
    )
    assert [number for number, _, _ in reported] == [0, 1, 2]
    for number, _, face in reported:
        photo = photo_crop(source.picture(number), face.box)
        crop = paint(*avatar.posed(number, POSE))
        assert np.abs(crop[-1].astype(int) - photo[-1]).mean() < 2.5


def test_a_clip_without_a_face(tmp_path: Path) -> None:
    source = Moving(Image.new("RGB", (600, 600)))
    source.frames = 2
    with pytest.raises(NoFaceError, match="no face found"):
        prepare_clip(
            source,
            AvatarOptions(),
            FaceFinder(),
            tmp_path,
            lambda *_: None,
            never_cancelled,
        )


@pytest.mark.parametrize("box", [Box(-30, 200, 250, 256), Box(100, 300, 180, 360)])
def test_the_quick_forms_do_as_the_others(closed, box: Box) -> None:
    rows = crop_rows(closed.rgb, box, 100)
    off = np.abs(rows.astype(int) - photo_crop(closed.rgb, box)[100:])
    assert off.max() <= (1 if box.height <= 256 else 40)
    assert off.mean() < 1.5  # where it shrinks, another filter


def test_the_influence_of_knots_is_the_splines() -> None:
    random = np.random.default_rng(5)
    knots, places = random.random((20, 2)), random.random((30, 2))
    targets = knots + 0.1 * random.standard_normal((20, 2))
    moved = influence(knots, places, 1e-4) @ (targets - knots)
    np.testing.assert_allclose(moved, displacement(knots, targets, places), atol=1e-9)


def test_steady_movement_and_large_ones_are_kept() -> None:
    face = np.zeros((478, 3))
    face[454, 0] = 100.0  # wide
    way = np.array([5.0, -2.0, 0.5])
    np.testing.assert_allclose(steadied(face - way, face, face + way), face, atol=1e-12)
    np.testing.assert_allclose(steadied(face, face + 9.0, face), face + 9.0, atol=0.1)
    trembling = steadied(face, face + 0.1, face)
    assert np.abs(trembling - face).max() < 0.04


@pytest.mark.parametrize("name", ["gif", "png", "webp"])
def test_an_animation_is_no_asset(name: str, tmp_path: Path) -> None:
    """A few bytes of one ask for hours and for gigabytes: clients send a video instead."""
    first, *more = (Image.new("RGB", (96, 80), (level, 0, 0)) for level in (10, 90, 200))
    path = tmp_path / f"a.{name}"
    first.save(path, save_all=True, append_images=more, duration=40)
    with pytest.raises(ImageFormatError, match="a video or an animation"):
        PreviewEngine().prepare_avatar(path, AvatarOptions(), lambda *_: None, never_cancelled)
