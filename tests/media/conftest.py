"""Pictures and sounds for the tests of the inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from portraits import PORTRAITS

from musetalk_fast.media.face import FaceFinder
from musetalk_fast.types import Picture


def rgb_of(path: Path) -> Picture:
    return np.array(Image.open(path).convert("RGB"))


@pytest.fixture(scope="session")
def astronaut() -> Picture:
    return rgb_of(PORTRAITS["astronaut"])


@pytest.fixture(scope="session")
def hopper() -> Picture:
    return rgb_of(PORTRAITS["hopper"])


@pytest.fixture(scope="session")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="session")
def couple(astronaut: Picture, hopper: Picture) -> Picture:
    """The astronaut, small, on the left; Grace Hopper, larger, on the right."""
    picture = np.full((600, 1024, 3), 90, np.uint8)
    picture[40:552, :512] = astronaut
    picture[:, 512:] = hopper
    return picture
