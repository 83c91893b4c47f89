"""What is drawn into a clip has each frame's own light and sharpness, not those of one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from musetalk_fast.engines.base import never_cancelled
from musetalk_fast.engines.preview.clip import ClipAvatar, prepare_clip
from musetalk_fast.engines.preview.light import softness
from musetalk_fast.engines.preview.mouth import Mouth, MouthPose, Posed
from musetalk_fast.engines.preview.painting import paint
from musetalk_fast.media.face import FaceFinder
from musetalk_fast.types import AvatarOptions, Picture

WIDTH, HEIGHT = 480, 400
LUMA = np.array([0.2126, 0.7152, 0.0722])
RAMP = tuple(np.geomspace(1, 0.12, 11).tolist())
FOCUS = tuple(np.linspace(0, 4, 11).tolist())


@dataclass
class Changing:
    """A portrait that pans, frame by frame in another light and of another blur (pixels)."""

    portrait: Image.Image
    lights: tuple[float, ...]
    blurs: tuple[float, ...]
    width = WIDTH
    height = HEIGHT
    rate = Fraction(25)

    @property
    def frames(self) -> int:
        return len(self.lights)

    def picture(self, source: int) -> Picture:
        corner = (20 + 4 * source, 30 + 2 * source)
        part = self.portrait.crop((*corner, corner[0] + WIDTH, corner[1] + HEIGHT))
        shown = part.filter(ImageFilter.GaussianBlur(self.blurs[source]))
        return (np.asarray(shown) * self.lights[source] + 0.5).astype(np.uint8)

    def partial_pictures(self) -> Iterator[Picture]:
        return (self.picture(source) for source in range(self.frames))


def prepared(closed, lights: tuple[float, ...], blurs: tuple[float, ...], tmp: Path) -> ClipAvatar:
    source = Changing(Image.fromarray(closed.rgb), lights, blurs)
    finder = FaceFinder()
    return prepare_clip(source, AvatarOptions(), finder, tmp, lambda *_: None, never_cancelled)


def open_mouth(avatar: ClipAvatar, source: int) -> tuple[Mouth, Posed, NDArray]:
    """A frame with a wide open mouth."""
    mouth, posed = avatar.posed(source, MouthPose(0.9, 0, 0))
    return mouth, posed, paint(mouth, posed).astype(float)


def in_crop(mouth: Mouth, *places: tuple[float, float]) -> NDArray:
    """Places of the mouth, mouth widths -> (columns, rows) of the crop."""
    linear, offset = mouth.to_mouth[:, :2].astype(float), mouth.to_mouth[:, 2]
    return np.linalg.solve(linear, (np.array(places) - offset).T).round().astype(int)


def teeth_to_skin(avatar: ClipAvatar, source: int) -> float:
    mouth, posed, crop = open_mouth(avatar, source)
    middle = posed.curves.shape[1] // 2
    downs = np.linspace(posed.curves[0, middle], posed.curves[1, middle], 60)
    columns, rows = in_crop(mouth, *((0.06, down) for down in downs))
    teeth = np.sort(crop[rows, columns] @ LUMA)[-4:].mean()
    beside = in_crop(mouth, (0.75, -0.1), (-0.75, -0.1)).T
    skin = [mouth.photo[y - 4 : y + 5, x - 4 : x + 5].reshape(-1, 3) for x, y in beside]
    return float(teeth / (np.median(np.concatenate(skin), axis=0) @ LUMA))


def steepest(avatar: ClipAvatar, source: int) -> float:
    """The steepest step down the middle of an open mouth, of all its range."""
    mouth, _, crop = open_mouth(avatar, source)
    ((column,), (top,)) = in_crop(mouth, (0.0, -0.1))
    levels = (crop[top : top + 60, column - 2 : column + 3] @ LUMA).mean(axis=1)
    return float(np.abs(np.diff(levels)).max() / np.ptp(levels))


@pytest.mark.parametrize("lights", [RAMP, RAMP[::-1]], ids=["darker", "brighter"])
def test_teeth_keep_their_ratio_to_the_skin(closed, lights, tmp_path: Path) -> None:
    avatar = prepared(closed, lights, (0.0,) * len(lights), tmp_path)
    ratios = [teeth_to_skin(avatar, source) for source in range(len(lights))]
    assert max(ratios) / min(ratios) < 1.2
    assert 1.2 < np.median(ratios) < 1.8  # beside the mouth skin is darker than on the cheeks


@pytest.mark.parametrize("blurs", [FOCUS, FOCUS[::-1]], ids=["softer", "sharper"])
def test_a_mouth_is_as_soft_as_its_frame(closed, blurs, tmp_path: Path) -> None:
    avatar = prepared(closed, (1.0,) * len(blurs), blurs, tmp_path)
    for source in range(len(blurs)):
        photo = open_mouth(avatar, source)[0].photo
        assert steepest(avatar, source) < 2 / (np.sqrt(2 * np.pi) * softness(photo))
