from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from musetalk_fast.engines.preview.mouth import Mouth, MouthPose, make_mouth, pose_mouth
from musetalk_fast.engines.preview.painting import paint
from musetalk_fast.media.face import FoundFace, find_face
from musetalk_fast.media.face.mask import jaw_mask
from musetalk_fast.media.image import load_still
from musetalk_fast.types import AvatarOptions, Crop, Picture

ROOT = Path(__file__).parents[2]
PORTRAITS = {
    "smiling": ROOT / "examples" / "portrait.png",
    "closed": ROOT / "tests" / "data" / "grace_hopper.jpg",
}


@dataclass(frozen=True)
class Portrait:
    path: Path
    rgb: Picture
    found: FoundFace
    mouth: Mouth

    @property
    def points(self) -> NDArray[np.float64]:
        return self.found.landmarks.points[:, :2].astype(np.float64)

    def showing(self, crop: Crop) -> Picture:
        """The portrait with a crop of it in its place, as a client shows it."""
        box, picture = self.found.box, self.rgb.copy()
        place, mask = jaw_mask(self.points, box, picture.shape[1], picture.shape[0])
        scaled = Image.fromarray(crop).resize((box.width, box.height), Image.Resampling.BILINEAR)
        rows = slice(place.y, place.y + place.height)
        columns = slice(place.x, place.x + place.width)
        top, left = place.y - box.y, place.x - box.x
        own = np.asarray(scaled)[top : top + place.height, left : left + place.width]
        under = picture[rows, columns].astype(float)
        picture[rows, columns] = under + (own - under) * (mask[..., None] / 255) + 0.5
        return picture


def _prepare(name: str) -> Portrait:
    path = PORTRAITS[name]
    return _of(path, load_still(path, background="white", resolution=None).rgb)


def _of(path: Path, rgb: Picture) -> Portrait:
    found = find_face(rgb, AvatarOptions())
    return Portrait(path, rgb, found, make_mouth(rgb, found.landmarks.points, found.box))


@pytest.fixture(scope="session")
def smiling() -> Portrait:
    return _prepare("smiling")


@pytest.fixture(scope="session")
def closed() -> Portrait:
    return _prepare("closed")


@pytest.fixture(scope="session")
def gaping(closed: Portrait, tmp_path_factory: pytest.TempPathFactory) -> Portrait:
    """A portrait that was taken with an open mouth: what the engine makes of another one."""
    loud = paint(closed.mouth, pose_mouth(closed.mouth, MouthPose(1, 0, 0)))
    rgb = closed.showing(loud)
    path = tmp_path_factory.mktemp("gaping") / "gaping.png"
    Image.fromarray(rgb).save(path)
    return _of(path, rgb)


@pytest.fixture(params=sorted(PORTRAITS))
def portrait(request: pytest.FixtureRequest) -> Portrait:
    found: Portrait = request.getfixturevalue(request.param)
    return found
