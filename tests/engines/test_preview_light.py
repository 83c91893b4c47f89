"""What is drawn into a photo has its light and its sharpness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from musetalk_fast.engines.preview import painting
from musetalk_fast.engines.preview.interior import make_interior
from musetalk_fast.engines.preview.light import blurred, softness
from musetalk_fast.engines.preview.motion import FaceShape
from musetalk_fast.engines.preview.mouth import Mouth, MouthPose, pose_mouth
from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.types import Crop

LUMA = np.array([0.2126, 0.7152, 0.0722])
Change = Callable[[np.ndarray], np.ndarray]


def changed(portrait, change: Change) -> Mouth:
    """The mouth of the same face in another photo; its poses are the same."""
    levels = change(portrait.mouth.photo.astype(np.float32))
    photo = np.clip(levels + 0.5, 0, 255).astype(np.uint8)
    space = MouthSpace.of(portrait.points, portrait.found.box)
    face, soft = FaceShape.of(portrait.points, space), softness(photo)
    interior = make_interior(photo, face, portrait.points, space, soft)
    return replace(portrait.mouth, photo=photo, interior=interior, softness=soft)


def opened(mouth: Mouth, opening: float = 0.8) -> Crop:
    return painting.paint(mouth, pose_mouth(mouth, MouthPose(opening, 0, 0)))


def teeth_to_skin(portrait, mouth: Mouth, opening: float = 0.8) -> np.ndarray:
    """Brightest teeth of an opened mouth beside the skin of a cheek, for each channel."""
    posed = pose_mouth(mouth, MouthPose(opening, 0, 0))
    space = MouthSpace.of(portrait.points, portrait.found.box)
    middle = posed.curves.shape[1] // 2
    downs = np.linspace(posed.curves[0, middle], posed.curves[1, middle], 40)
    columns, rows = space.to_crop(np.stack([np.full(40, 0.06), downs], 1)).round().astype(int).T
    inside = opened(mouth, opening)[rows, columns]
    brightest = inside[np.argsort(inside @ LUMA)[-4:]].mean(axis=0)
    cheek = space.to_crop(space.from_picture(portrait.points[[205, 425]])).round().astype(int)
    skin = np.stack([mouth.photo[y - 4 : y + 5, x - 4 : x + 5] for x, y in cheek])
    return np.asarray(brightest / np.median(skin.reshape(-1, 3), axis=0))


LIGHTS: dict[str, Change] = {
    "12 %": lambda levels: levels * 0.12,
    "40 %": lambda levels: levels * 0.4,
    "an eighth of the light": lambda levels: 255 * (levels / 255 / 8 ** (1 / 2.2)),
    "warm": lambda levels: levels * [1.1, 0.95, 0.7],
    "cold": lambda levels: levels * [0.75, 0.95, 1.15],
    "dim and warm": lambda levels: levels * [0.3, 0.24, 0.18],
}


@pytest.mark.parametrize("light", LIGHTS)
def test_teeth_keep_their_ratio_to_the_skin_in_any_light(portrait, light: str) -> None:
    usual = teeth_to_skin(portrait, portrait.mouth)
    there = teeth_to_skin(portrait, changed(portrait, LIGHTS[light]))
    assert np.abs(there @ LUMA / (usual @ LUMA) - 1).max() < 0.15
    assert np.abs(there / usual - 1).max() < 0.2


def test_drawn_teeth_are_not_grey_in_a_mouth_that_is_hardly_open(closed) -> None:
    """Half in shade they would be a grey line between red lips."""
    ratios = {opening: teeth_to_skin(closed, closed.mouth, opening) for opening in (0.35, 1)}
    assert 0.87 < ratios[0.35] @ LUMA < ratios[1] @ LUMA < 1.35
    assert (np.diff(ratios[0.35]) > 0).all()  # less red than skin, but no bluer than teeth are
    assert ratios[0.35][2] / ratios[0.35][0] < 1.5


def steepest(portrait, mouth: Mouth) -> float:
    """The steepest step of an open mouth's middle column, of all its range."""
    space = MouthSpace.of(portrait.points, portrait.found.box)
    column, top = space.to_crop(np.array([[0.0, -0.1]]))[0].round().astype(int)
    levels = opened(mouth, 1)[top : top + 60, column - 2 : column + 3] @ LUMA
    levels = levels.mean(axis=1)
    return float(np.abs(np.diff(levels)).max() / np.ptp(levels))


@pytest.mark.parametrize("sigma", [0, 2, 4])
def test_an_open_mouth_is_as_soft_as_the_photo(portrait, sigma: float) -> None:
    mouth = changed(portrait, lambda levels: blurred(levels, sigma))
    as_the_photo = 1 / (np.sqrt(2 * np.pi) * mouth.softness)
    assert steepest(portrait, mouth) < 2 * as_the_photo


def test_softness_is_that_of_the_blur_in_any_light_and_noise(portrait) -> None:
    photo = portrait.mouth.photo.astype(np.float32)
    soft = blurred(photo, 3)
    noise = np.random.default_rng(0).normal(0, 3, photo.shape)
    own = portrait.mouth.softness
    for levels in (soft, soft * 0.2, soft + noise):
        measured = softness(np.clip(levels + 0.5, 0, 255).astype(np.uint8))
        assert measured == pytest.approx(np.hypot(own, 3), rel=0.25)


def test_a_flat_picture_has_no_edges_and_no_softness() -> None:
    assert softness(np.full((256, 256, 3), 90, np.uint8)) == 0


def test_a_grey_photo_gets_grey_teeth_and_tongue(closed) -> None:
    mouth = changed(closed, lambda levels: np.repeat((levels @ LUMA)[..., None], 3, 2))
    crop = opened(mouth, 1).astype(int)
    assert np.ptp(crop, axis=-1).max() <= 1


def test_a_toned_photo_gets_teeth_of_its_tone(closed) -> None:
    tone = np.array([1.1, 0.95, 0.7])
    crop = opened(changed(closed, lambda levels: (levels @ LUMA)[..., None] * tone * 0.8), 1)
    bright = crop[crop.sum(axis=-1) > 60].astype(float)
    assert np.abs(bright / (bright @ LUMA)[:, None] / (tone / (tone @ LUMA)) - 1).max() < 0.1
