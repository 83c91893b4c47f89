"""What is behind an avatar's transparent parts, from the settings to the video."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from musetalk_fast import (
    OutputSettings,
    ProcessingSettings,
    ServerSettings,
    Settings,
    errors,
    render,
)
from musetalk_fast.config import AvatarSettings
from musetalk_fast.events import Event, SegmentEvent, WarningEvent
from musetalk_fast.planning import Plan, SegmentChoice, make_plan
from musetalk_fast.rendering.steps import join_plan, render_segments, write_plan

TESTS = Path(__file__).parents[1]
SPEECH = TESTS / "data/short.wav"
SIDE = 256
PlanOf = Callable[..., Plan]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`cut.png`: a portrait in a soft disc; `opaque.png`: the same with alpha, all of it opaque."""
    folder = tmp_path_factory.mktemp("backgrounds")
    portrait = Image.open(TESTS.parent / "examples/portrait.png").convert("RGBA")
    portrait = portrait.resize((SIDE, SIDE))
    portrait.save(folder / "opaque.png")
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    distance = np.hypot(x - 0.44 * SIDE, y - 0.3 * SIDE)
    alpha = np.clip((0.3 * SIDE - distance) * 16, 0, 255).astype(np.uint8)
    portrait.putalpha(Image.fromarray(alpha))
    portrait.save(folder / "cut.png")
    Image.new("RGB", (90, 70), "teal").save(folder / "sea.png")
    return folder


def _settings(background: str | None, url: str | None = None, **output: object) -> Settings:
    return Settings(
        server=ServerSettings(url=url),
        avatar=AvatarSettings(background=background, face_check=False),
        output=OutputSettings(preset="ultrafast", fps=5, sound="none", **output),  # type: ignore[arg-type]
        processing=ProcessingSettings(segment_secs=1.0),
    )


@pytest.fixture
def plan_of(folder: Path) -> PlanOf:
    def plan_of(
        avatar: str, output: str, background: str | None, notes: list[str] | None = None
    ) -> Plan:
        events: list[Event] = []
        place = folder / output
        plan = make_plan(
            folder / avatar, SPEECH, place, _settings(background), on_event=events.append
        )
        if notes is not None:
            notes += [event.message for event in events if isinstance(event, WarningEvent)]
        return plan

    return plan_of


def _alphas(path: Path) -> NDArray[np.uint8]:
    """(frames, height, width) as the decoder that keeps alpha has them."""
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        frames = [frame for packet in packets for frame in decoder.decode(packet)]  # type: ignore[arg-type]
    assert {frame.format.name for frame in frames} == {"yuva420p"}
    planes = [frame.planes[3] for frame in frames]  # type: ignore[union-attr]
    return np.stack(
        [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, :SIDE] for plane in planes]
    )


def test_segments_of_transparent_video_are_made_resumed_and_joined(
    folder: Path, tmp_path: Path, preview_server: str
) -> None:
    avatar, output, settings = folder / "cut.png", tmp_path / "o.webm", _settings(None)
    events: list[Event] = []
    path, plan = write_plan(avatar, SPEECH, output, settings, on_event=events.append)
    assert (plan.background, plan.encoder.pix_fmt) == ("transparent", "yuva420p")
    assert not [event for event in events if isinstance(event, WarningEvent)]
    settings = _settings("transparent", preview_server)
    asyncio.run(render_segments(path, SegmentChoice({1}), settings, on_event=events.append))
    result = render(avatar, SPEECH, output, settings, on_event=events.append)
    reused = {event.number: event.reused for event in events if isinstance(event, SegmentEvent)}
    assert reused == {0: False, 1: True, 2: False}
    alphas = _alphas(output)
    assert len(alphas) == result.frames == 15
    own = np.array(Image.open(avatar))[..., 3]
    change = np.abs(alphas.astype(int) - own)
    assert change.mean(axis=(1, 2)).max() <= 1
    assert change.max() <= 24


@pytest.mark.parametrize(
    ("avatar", "output", "background", "planned", "pix_fmt"),
    [
        ("cut.png", "o.webm", None, "transparent", "yuva420p"),
        ("cut.png", "o.webm", "transparent", "transparent", "yuva420p"),
        ("cut.png", "o.webm", "red", "red", "yuv420p"),
        ("cut.png", "o.mp4", None, "white", "yuv420p"),
        ("opaque.png", "o.webm", None, "white", "yuv420p"),
        ("opaque.png", "o.webm", "transparent", "white", "yuv420p"),
    ],
)
def test_what_stays_transparent(
    plan_of: PlanOf, avatar: str, output: str, background: str | None, planned: str, pix_fmt: str
) -> None:
    notes: list[str] = []
    plan = plan_of(avatar, output, background, notes)
    assert (plan.background, plan.encoder.pix_fmt) == (planned, pix_fmt)
    filled = f"transparent parts were filled with {planned} (--background)"
    opaque = "opaque.png has no transparent parts: the video has none"
    expected = [filled] if avatar == "cut.png" and planned != "transparent" else []
    assert notes == (
        expected if (avatar, background) != ("opaque.png", "transparent") else [opaque]
    )


def test_transparency_is_refused_before_anything_is_read(folder: Path) -> None:
    with pytest.raises(errors.EncoderError, match="never transparent"):
        make_plan(folder / "no.png", SPEECH, folder / "o.mp4", _settings("transparent"))


def test_a_picture_counts_by_its_content(plan_of: PlanOf, folder: Path) -> None:
    plans = [plan_of("cut.png", "o.mp4", str(folder / "sea.png"))]
    (folder / "copy.png").write_bytes((folder / "sea.png").read_bytes())
    plans.append(plan_of("cut.png", "o.mp4", str(folder / "copy.png")))
    assert plans[0].background is None
    assert plans[0].background_image == folder / "sea.png"
    assert plans[0].identity == plans[1].identity
    Image.new("RGB", (90, 70), "navy").save(folder / "copy.png")
    plans.append(plan_of("cut.png", "o.mp4", str(folder / "copy.png")))
    assert plans[2].identity != plans[0].identity


def test_a_picture_that_changed_is_refused(folder: Path, tmp_path: Path) -> None:
    sea = tmp_path / "sea.png"
    sea.write_bytes((folder / "sea.png").read_bytes())
    settings = _settings(str(sea), "http://127.0.0.1:9")
    output = tmp_path / "o.mp4"
    path, _ = write_plan(folder / "cut.png", SPEECH, output, settings, on_event=lambda _: None)
    Image.new("RGB", (90, 70), "navy").save(sea)
    with pytest.raises(errors.PlanError, match="has changed") as caught:
        asyncio.run(render_segments(path, SegmentChoice({0}), settings, on_event=lambda _: None))
    assert caught.value.where == str(sea)
    sea.unlink()
    with pytest.raises(errors.InputNotFoundError):
        asyncio.run(render_segments(path, SegmentChoice({0}), settings, on_event=lambda _: None))
    with pytest.raises(errors.PartsError):
        join_plan(path)


def test_the_picture_is_not_overwritten(folder: Path) -> None:
    sea = folder / "sea.png"
    settings = _settings(str(sea), format="mp4")
    with pytest.raises(errors.OutputPlaceError, match="this is one of the inputs"):
        make_plan(folder / "cut.png", SPEECH, sea, settings)
