"""`bench` measures every stage, and prints a table or JSON."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import av
import pytest
from PIL import Image

from musetalk_fast import Settings, errors
from musetalk_fast.benching.moving_avatar import moving_stages
from musetalk_fast.benching.pipeline import Pipeline, last_stages, pipelines_fps
from musetalk_fast.benching.workload import make_workload
from musetalk_fast.config import OutputSettings
from musetalk_fast.planning.concurrency import choose_concurrency, processors

SMALL = ("--resolution", "256x256", "--preset", "ultrafast")
PORTRAIT = Path(__file__).parents[2] / "examples" / "portrait.png"
STAGES = [
    *("base64 decode", "checksum", "decode JPEG", "decode PNG"),
    *("parse binary", "parse ndjson", "receive ndjson"),
    *("receive binary", "paste", "encode", "mux", "entire frame"),
]
PIPELINE = STAGES[7:]
"""What a raw crop on the binary wire passes."""


def test_json_has_every_stage(run) -> None:
    done = run("bench", "--json", *SMALL)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    reported = json.loads(line)
    assert "256x256" in reported["given"]
    assert "libx264" in reported["encoder"]
    assert "preset=ultrafast" in reported["encoder"]
    assert (reported["encoders"], reported["threads"]) == choose_concurrency(1000, processors())
    assert reported["fps"] > 0
    assert [stage["name"] for stage in reported["stages"]] == STAGES
    for stage in reported["stages"]:
        assert stage["us"] > 0
        assert stage["mb_s"] > 0
        assert (stage["share"] is not None) == (stage["name"] in PIPELINE)
    assert reported["stages"][-1]["share"] == 1.0
    assert set(reported) == {"event", "given", "encoder", "encoders", "threads", "stages", "fps"}


def test_table_has_every_stage_for_an_avatar(run) -> None:
    done = run("bench", "-i", str(PORTRAIT), "--preset", "ultrafast", "--crf", "30")
    assert done.returncode == 0, done.stderr
    assert "512x512" in done.stdout
    assert "crf=30" in done.stdout
    assert "frames a second" in done.stdout
    for stage in STAGES:
        assert f"\n{stage} " in done.stdout


def test_another_encoder_needs_no_format(run) -> None:
    done = run("bench", "--json", "--codec", "libvpx-vp9", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "libvpx-vp9" in json.loads(done.stdout)["encoder"]


@pytest.mark.parametrize(
    ("arguments", "code", "token"),
    [
        (("--codec", "h261"), 73, "MTF-ENCODER"),
        (("--crf", "52"), 73, "MTF-ENCODER"),
        (("-i", "nothing.png"), 66, "MTF-INPUT-MISSING"),
    ],
)
def test_what_cannot_be_measured_is_refused(run, arguments, code: int, token: str) -> None:
    done = run("bench", *arguments)
    assert done.returncode == code, done.stderr
    assert token in done.stderr
    assert "Traceback" not in done.stderr


def test_an_encoder_that_refuses_once_more_is_named(tmp_path: Path) -> None:
    """As one in hardware does whose sessions are all in use, after it was tried."""
    workload = make_workload(None, Settings(output=OutputSettings(resolution=(256, 256))))
    planned = replace(workload.planned, options={"preset": "none such"})
    refused = replace(workload, planned=planned, band=None)
    with pytest.raises(errors.EncoderError, match="libx264"):
        pipelines_fps(refused, 2, tmp_path)
    with pytest.raises(errors.EncoderError, match="libx264"):
        last_stages(refused, tmp_path)
    assert not list(tmp_path.glob("of-*"))


def test_a_moving_avatar_is_measured_as_it_moves(tmp_path: Path) -> None:
    """Each frame is decoded, copied, and pasted onto where its source frame has the face."""
    clip = tmp_path / "clip.mp4"
    with Image.open(PORTRAIT) as portrait, av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 256, 192, "yuv420p"
        for shift in range(8):
            place = (30 + shift, 0, 350 + shift, 240)
            shown = portrait.convert("RGB").resize((256, 192), box=place)
            container.mux(stream.encode(av.VideoFrame.from_image(shown)))
        container.mux(stream.encode(None))
    workload = make_workload(clip, Settings(output=OutputSettings(preset="ultrafast")))
    assert workload.band is None
    assert workload.words.startswith("256x192 moving, 30 frames a second, box ")
    assert workload.sources[:20] == (*range(8), *range(7, -1, -1), *range(4))
    decode, paste, planes = moving_stages(workload, tmp_path / "faces")
    assert min(decode, paste) > 0
    assert planes >= 256 * 192 * 3 / 2
    with Pipeline(workload, tmp_path / "part") as pipeline:
        assert pipeline.run(time.perf_counter() - 60) >= 25
    assert last_stages(workload, tmp_path).planes >= 256 * 192 * 3 / 2


def test_when_one_of_several_parts_cannot_be_opened_nothing_is_left(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system sets no limits")
    workload = make_workload(None, Settings(output=OutputSettings(resolution=(256, 256))))
    with Pipeline(workload, tmp_path / "first"):
        pass  # imports what it needs, which takes descriptors too
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, before[1]))  # for one file more
    try:
        with pytest.raises(errors.FileLimitError, match="limit of open files"):
            pipelines_fps(workload, 2, tmp_path)
        os.close(os.dup(0))  # that one is free again
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert list(tmp_path.iterdir()) == []
