"""Whoever follows a plan sees the pictures that it was made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from musetalk_fast import Settings
from musetalk_fast.config import AvatarSettings, OutputSettings
from musetalk_fast.errors import EncoderError
from musetalk_fast.events import Event, FacesEvent, WarningEvent
from musetalk_fast.media.background import load_background
from musetalk_fast.planning import make_plan
from musetalk_fast.planning.avatar_opening import open_planned, open_wanted, wanted_resolution
from musetalk_fast.planning.plan_json import plan_from_json, plan_to_json
from musetalk_fast.types import Box, Fit

ROOT = Path(__file__).parents[2]
SPEECH, PORTRAIT = ROOT / "tests/data/short.wav", ROOT / "examples/portrait.png"


@pytest.mark.parametrize(
    ("output", "background", "size"),
    [
        (OutputSettings(), "white", (300, 200)),
        (OutputSettings(max_side=101), "white", (100, 66)),
        (OutputSettings(resolution=(160, -2), fit=Fit.CROP), "white", (160, 106)),
        (OutputSettings(resolution=(160, 160), fit=Fit.CROP), "white", (160, 160)),
        (OutputSettings(resolution=(320, 180)), "blur", (320, 180)),
    ],
)
def test_a_plan_makes_the_same_picture_again(
    tmp_path: Path, output: OutputSettings, background: str, size: tuple[int, int]
) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (201, 301, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    avatar = AvatarSettings(face_check=False, background=background)
    settings = Settings(avatar=avatar, output=output)
    place, behind = tmp_path / "o.mp4", load_background(background)
    plan = make_plan(tmp_path / "a.png", SPEECH, place, settings)
    followed = open_planned(plan_from_json(plan_to_json(plan), place), behind)
    wanted = open_wanted(tmp_path / "a.png", place, output, behind)
    assert (followed.width, followed.height) == (plan.width, plan.height) == size
    assert np.array_equal(followed.picture(0), wanted.picture(0))


def test_a_face_is_named_and_shown_in_pixels_of_the_video(tmp_path: Path) -> None:
    """Of 512x512 pixels with bars: the face is 256 columns further right."""
    named = Box(256 + 180, 70, 91, 109)
    settings = Settings(
        avatar=AvatarSettings(face_box=named), output=OutputSettings(resolution=(1024, 512))
    )
    events: list[Event] = []
    plan = make_plan(PORTRAIT, SPEECH, tmp_path / "o.mp4", settings, on_event=events.append)
    assert plan.options.face_box == named
    (place,) = next(event.faces for event in events if isinstance(event, FacesEvent))
    assert abs(place.x - named.x) < 10
    assert abs(place.y - named.y) < 10
    (said,) = (event for event in events if isinstance(event, WarningEvent))
    assert said.token == "MTF-SIZE"
    assert "gets bars left and right, to become 1024x512" in said.message


def test_the_encoder_bounds_the_avatars_own_size_alone() -> None:
    place = Path("o.webm")
    own = OutputSettings(codec="h264")
    with pytest.raises(EncoderError, match="does not go into webm"):
        wanted_resolution(own, place)
    for size in ("source", (640, 480), (640, -2)):
        assert (
            wanted_resolution(OutputSettings(codec="h264", resolution=size), place).largest is None
        )
    largest = wanted_resolution(OutputSettings(fps=60), Path("o.mp4")).largest
    assert largest is not None
    assert largest(3840, 2160, None) == (3840, 2160)
    assert largest(4096, 2304, None) < (4096, 2304)
