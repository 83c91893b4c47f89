"""The early look at a moving avatar's face: a few of its pictures, each decoded once."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from musetalk_fast.config import Settings
from musetalk_fast.errors import NoFaceError
from musetalk_fast.media.image import load_still
from musetalk_fast.planning.early_face_check import look_for_face
from musetalk_fast.types import Picture

PORTRAIT = Path(__file__).parents[1] / "data/grace_hopper.jpg"


def _avatar(shows: dict[int, Picture], asked: list[int]) -> Any:
    """25 source frames a second, black but for some."""

    def picture(source: int) -> Picture:
        asked.append(source)
        return shows.get(source, np.zeros((96, 96, 3), np.uint8))

    rate = Fraction(25)
    return SimpleNamespace(
        path=Path("a.mov"), rate=rate, frames=20, picture=picture, size_note=None, placement=None
    )


def test_without_a_face_all_are_looked_at_once() -> None:
    asked: list[int] = []
    with pytest.raises(NoFaceError, match="no face found") as refused:
        look_for_face(_avatar({}, asked), Settings(), lambda _: None)
    assert refused.value.where == "a.mov"
    assert asked == [0, 12]


def test_the_first_that_has_a_face_is_enough() -> None:
    asked: list[int] = []
    portrait = load_still(PORTRAIT, background="white", resolution=None).rgb
    mouth, is_open = look_for_face(_avatar({12: portrait}, asked), Settings(), lambda _: None)
    assert asked == [0, 12]
    assert not is_open
    assert mouth.height < mouth.width
