from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from musetalk_fast.engines.preview.mouth import Mouth, make_mouth
from musetalk_fast.media.face import FoundFace, find_face
from musetalk_fast.media.image import load_still
from musetalk_fast.types import AvatarOptions, Picture

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


def _prepare(name: str) -> Portrait:
    path = PORTRAITS[name]
    rgb = load_still(path, background="white", resolution=None).rgb
    found = find_face(rgb, AvatarOptions())
    return Portrait(path, rgb, found, make_mouth(rgb, found.landmarks.points, found.box))


@pytest.fixture(scope="session")
def smiling() -> Portrait:
    return _prepare("smiling")


@pytest.fixture(scope="session")
def closed() -> Portrait:
    return _prepare("closed")


@pytest.fixture(params=sorted(PORTRAITS))
def portrait(request: pytest.FixtureRequest) -> Portrait:
    found: Portrait = request.getfixturevalue(request.param)
    return found
