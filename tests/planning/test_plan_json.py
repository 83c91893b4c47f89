"""A plan survives its file; a file that was damaged does not become a plan."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from musetalk_fast.errors import PlanError
from musetalk_fast.planning import Plan, cut
from musetalk_fast.planning.plan_json import plan_from_json, plan_to_json
from musetalk_fast.types import AvatarOptions, Box, CropEncoding, Scaling, SourceRun
from musetalk_fast.video.encoder_settings import EncoderSettings

OUTPUT = Path("/videos/out.mp4")


def _plan() -> Plan:
    fps = Fraction(30000, 1001)
    return Plan(
        avatar=Path("/pictures/Zoë\udcff.png"),
        audio=Path("/sounds/a.wav"),
        output=OUTPUT,
        avatar_sha256="a" * 64,
        audio_sha256="b" * 64,
        duration=Fraction(100, 3),
        fps=fps,
        frames=1000,
        width=640,
        height=480,
        resolution=(640, 480),
        sources=(SourceRun(0, 1, 600), SourceRun(599, -1, 400)),
        segments=cut(1000, fps, 10.0),
        encoder=EncoderSettings("libx264", "mp4", "yuv420p", {"crf": "20"}, 300, 3),
        options=AvatarOptions(face="left", face_box=Box(-1, 2, 30, 40)),
        background="white",
        frame_encoding=CropEncoding.JPEG,
        scaling=Scaling.LANCZOS,
        sound=True,
        overwrite=False,
    )


def test_a_plan_survives_its_file() -> None:
    plan = _plan()
    again = plan_from_json(plan_to_json(plan), OUTPUT)
    assert again == plan
    assert again.identity == plan.identity
    assert again.encoder.threads == 3


def test_threads_and_places_do_not_decide_how_it_looks() -> None:
    document = json.loads(plan_to_json(_plan()))
    document["encoder"]["threads"] = 7
    document["avatar"] = "/elsewhere.png"
    moved = plan_from_json(json.dumps(document).encode(), Path("/other/out.mp4"))
    assert moved.identity == _plan().identity
    assert moved.output == Path("/other/out.mp4")


CHANGES = {
    "another quality": lambda document: document["encoder"]["options"].update(crf="30"),
    "a gap": lambda document: document["segments"].pop(1),
    "no segments": lambda document: document.update(segments=[]),
    "too few frames": lambda document: document.update(frames=999),
    "no avatar": lambda document: document.pop("avatar"),
    "an empty path": lambda document: document.update(audio=""),
    "a rate of 0": lambda document: document.update(fps=[0, 1]),
    "division by zero": lambda document: document.update(duration=[1, 0]),
    "an unknown scaling": lambda document: document.update(scaling="nearest"),
    "an unknown encoding": lambda document: document.update(frame_encoding="bmp"),
    "a text for threads": lambda document: document["encoder"].update(threads="many"),
    "options in a list": lambda document: document["encoder"].update(options=["crf"]),
    "a later format": lambda document: document.update(format=2),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_file_is_refused(name: str) -> None:
    document = json.loads(plan_to_json(_plan()))
    CHANGES[name](document)
    with pytest.raises(PlanError):
        plan_from_json(json.dumps(document).encode(), OUTPUT)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"null", b'{"format": 1}'])
def test_what_is_no_plan_is_refused(text: bytes) -> None:
    with pytest.raises(PlanError):
        plan_from_json(text, OUTPUT)
