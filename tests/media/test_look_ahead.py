"""The first face of a moving avatar is looked for a little way into it, and no further."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from musetalk_fast.config import Settings
from musetalk_fast.errors import NoFaceError
from musetalk_fast.events import Event, FacesEvent, WarningEvent
from musetalk_fast.media.frame_size import Placement
from musetalk_fast.planning import early_face_check
from musetalk_fast.planning.early_face_check import look_for_face
from musetalk_fast.types import Picture


def _avatar(picture: Picture, first: int) -> Any:
    """A video of which the frames before `first` are empty."""
    seen: list[int] = []

    def at(source: int) -> Picture:
        seen.append(source)
        return picture if source >= first else np.zeros_like(picture)

    rate = Fraction(25)
    return SimpleNamespace(
        path=Path("a.mov"), rate=rate, frames=300, picture=at, seen=seen, placement=None
    )


def test_the_first_face_counts(astronaut: Picture) -> None:
    events: list[Event] = []
    avatar = _avatar(astronaut, 5)
    look_for_face(avatar, Settings(), events.append)
    assert avatar.seen == [0, 12]
    assert [type(event) for event in events[:1]] == [FacesEvent]


def test_a_mouth_that_the_frame_does_not_show_is_said(astronaut: Picture) -> None:
    avatar, events = _avatar(astronaut, 0), list[Event]()
    avatar.placement = Placement(1, 1, 0, -300.0, (512, 512), (512, 300))
    mouth, _ = look_for_face(avatar, Settings(), events.append)
    (said,) = (event.message for event in events if isinstance(event, WarningEvent))
    assert "the mouth is cut off" in said
    for top, is_cut in ((0.0, False), (-300.0, True)):
        placement = Placement(1, 1, 0, top, (512, 512), (512, 300))
        assert early_face_check.is_cut_off(mouth, placement) == is_cut


def test_without_one_in_time_the_first_frame_says_why(
    astronaut: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_face_check, "_MAX_LOOKS", 1)
    avatar = _avatar(astronaut[:96, :96], 1000)
    with pytest.raises(NoFaceError) as refused:
        look_for_face(avatar, Settings(), lambda _event: None)
    assert avatar.seen == [0]
    assert refused.value.where == "a.mov"
