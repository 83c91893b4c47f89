"""`bench` measures every stage, and tells it as a table or as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SMALL = ("--resolution", "256x256", "--preset", "ultrafast")
PORTRAIT = Path(__file__).parents[2] / "examples" / "portrait.png"
STAGES = [
    *("base64 decode", "parse NDJSON", "checksum", "decode JPEG", "decode PNG"),
    *("parse binary", "paste", "encode", "whole frame"),
]
ROAD = STAGES[5:]
"""What a raw crop on the binary wire passes."""


def test_json_has_every_stage(run) -> None:
    done = run("bench", "--json", *SMALL)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert "256x256" in told["given"]
    assert "libx264" in told["encoder"]
    assert "preset=ultrafast" in told["encoder"]
    assert told["threads"] >= 1
    assert told["fps"] > 0
    assert [stage["name"] for stage in told["stages"]] == STAGES
    for stage in told["stages"]:
        assert stage["us"] > 0
        assert stage["mb_s"] > 0
        assert (stage["share"] is not None) == (stage["name"] in ROAD)
    assert told["stages"][-1]["share"] == 1.0


def test_table_has_every_stage_for_an_avatar(run) -> None:
    done = run("bench", "-i", str(PORTRAIT), "--preset", "ultrafast", "--crf", "30")
    assert done.returncode == 0, done.stderr
    assert "512x512" in done.stdout
    assert "crf=30" in done.stdout
    assert "frames a second" in done.stdout
    for stage in STAGES:
        assert f"\n{stage} " in done.stdout


def test_another_encoder_needs_no_format(run) -> None:
    done = run("bench", "--json", "--encoder", "libvpx-vp9", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "libvpx-vp9" in json.loads(done.stdout)["encoder"]


@pytest.mark.parametrize(
    ("arguments", "code", "token"),
    [
        (("--encoder", "h261"), 73, "MTF-ENCODER"),
        (("--crf", "52"), 73, "MTF-ENCODER"),
        (("-i", "nothing.png"), 66, "MTF-INPUT-MISSING"),
    ],
)
def test_what_cannot_be_measured_is_refused(run, arguments, code: int, token: str) -> None:
    done = run("bench", *arguments)
    assert done.returncode == code, done.stderr
    assert token in done.stderr
    assert "Traceback" not in done.stderr
