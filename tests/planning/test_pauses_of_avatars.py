"""`--silence hold` is for a mouth that is closed, and part of what a plan is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from musetalk_fast.config import AvatarSettings, Settings
from musetalk_fast.events import Event, WarningEvent
from musetalk_fast.planning import load_inputs, plan_render
from musetalk_fast.types import Silence

REPOSITORY = Path(__file__).parents[2]


def test_an_open_mouth_is_not_held(tmp_path: Path) -> None:
    settings = Settings(avatar=AvatarSettings(silence=Silence.HOLD))
    output, events = tmp_path / "o.mp4", list[Event]()
    smile, audio = (REPOSITORY / each for each in ("examples/portrait.png", "tests/data/short.wav"))
    inputs = load_inputs(smile, audio, output, settings, tmp_path, events.append)
    assert inputs.mouth_is_open
    events.clear()
    plan = plan_render(inputs, output, settings, events.append)
    (warning,) = (event for event in events if isinstance(event, WarningEvent))
    assert "mouth is open" in warning.message
    assert plan.silence is Silence.MODEL
    events.clear()
    held = plan_render(replace(inputs, mouth_is_open=False), output, settings, events.append)
    assert held.silence is Silence.HOLD
    assert not events
    assert held.identity != plan.identity
