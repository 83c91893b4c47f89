"""What is shown of a render's events: bars, lines, JSON, nothing."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from musetalk_fast.cli import formatting
from musetalk_fast.cli.display import Display, LineDisplay, event_name
from musetalk_fast.cli.display_selection import open_display
from musetalk_fast.cli.verbosity import Verbosity
from musetalk_fast.events import (
    DoneEvent,
    Event,
    PlanEvent,
    ProgressEvent,
    SegmentEvent,
    ServerEvent,
    UploadEvent,
    WarningEvent,
)

PLAN = PlanEvent(
    avatar="a.png", audio="a.wav", output="out.mp4", frames=178, fps="25", width=512, height=512,
    segments=1, encoder="libx264", threads=3, frame_encoding="raw",
)  # fmt: skip
SERVER = ServerEvent(url="builtin", engine="preview", model="1", builtin=True, wire="binary")
DONE = DoneEvent(
    output="out.mp4", bytes=1_234_567, duration_secs=7.12, frames=178, fps=96.4, wall_secs=3.21,
    engine="preview", stages={"load": 0.5, "generate": 1.85},
)  # fmt: skip
EVENTS: list[Event] = [
    SERVER,
    ProgressEvent(stage="load", done=0, total=2),
    ProgressEvent(stage="load", done=2, total=2),
    WarningEvent(message="the recording is quiet\x1b[2J"),
    PLAN,
    UploadEvent(server="http://gpu", asset="avatar", sent=500, total=1000),
    UploadEvent(server="builtin", asset="avatar", sent=1000, total=1000),
    UploadEvent(server="http://gpu", asset="avatar", sent=1000, total=1000),
    ProgressEvent(stage="generate", done=89, total=178, fps=96.0, eta_secs=0.9),
    ProgressEvent(stage="generate", done=178, total=178, fps=96.0, eta_secs=0.0),
    ProgressEvent(stage="encode", done=90, total=178),
    ProgressEvent(stage="encode", done=178, total=178),
    SegmentEvent(number=0, start=0, stop=178, bytes=1000),
    DONE,
]


def _verbosity(**loudness: bool) -> Verbosity:
    verbosity = Verbosity()
    for name, value in loudness.items():
        setattr(verbosity, name, value)
    return verbosity


def _show(display: Display) -> None:
    with display:
        for event in EVENTS:
            display(event)


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    _show(open_display(_verbosity()))
    out, err = capsys.readouterr()
    assert out == "Output: out.mp4 (7.1 s, 178 frames, 1.2 MB), rendered in 3.2 s at 96 fps\n"
    assert err.splitlines() == [
        "server: builtin (engine preview 1, a preview, not MuseTalk)",
        "loading 100%, 0:00, 2/2",
        "warning: the recording is quiet [2J (MTF-WARNING)",
        "plan: 178 frames at 25 fps, 512x512, libx264, 1 segment",
        "sending avatar to http://gpu 100%, 0:00, 1.0 kB of 1.0 kB",
        "generating 100%, 0:00, 96 fps, 178/178",
        "encoding 100%, 0:00, 178/178",
    ]


def test_a_transparent_video_is_said() -> None:
    event = next(event for event in EVENTS if isinstance(event, PlanEvent))
    line = formatting.plan_line(replace(event, transparent=True))
    assert line == "plan: 178 frames at 25 fps, 512x512 transparent, libx264, 1 segment"


def test_verbose_lines_say_wire_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    _show(open_display(_verbosity(verbose=True)))
    err = capsys.readouterr().err.splitlines()
    assert "encoder: libx264, 3 threads each" in err
    assert "wire: binary, the rows that the mask needs" in err
    assert "time: 3.21 s (load 0.50 s, generate 1.85 s)" in err


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    _show(open_display(_verbosity(quiet=True)))
    assert capsys.readouterr() == ("", "")


def test_json_is_one_object_per_event(capsys: pytest.CaptureFixture[str]) -> None:
    _show(open_display(_verbosity(json=True)))
    out, err = capsys.readouterr()
    assert err == ""
    objects = [json.loads(line) for line in out.splitlines()]
    assert [each["event"] for each in objects] == [event_name(event) for event in EVENTS]
    assert objects[4] == {"event": "plan", "avatar": "a.png", "audio": "a.wav",
                          "output": "out.mp4", "frames": 178, "fps": "25", "width": 512,
                          "height": 512, "segments": 1, "encoder": "libx264", "threads": 3,
                          "frame_encoding": "raw", "kept": 0, "transparent": False}  # fmt: skip
    assert objects[-1]["stages"] == {"load": 0.5, "generate": 1.85}


def test_open_job_description_reads_progress(capsys: pytest.CaptureFixture[str]) -> None:
    _show(open_display(_verbosity(openjd=True)))
    out, err = capsys.readouterr()
    assert out.startswith("Output: out.mp4 (")
    assert [line for line in err.splitlines() if line.startswith("openjd")] == [
        "openjd_status: loading",
        "openjd_status: generating",
        "openjd_progress: 50",
        "openjd_progress: 100",
    ]
    assert "generating 100%, 0:00, 96 fps, 178/178" in err.splitlines()


@pytest.mark.parametrize(
    ("loudness", "line"),
    [
        ({"plain": True}, "still generating, 0:00"),
        ({"json": True}, '{"event": "heartbeat", "elapsed_secs": '),
    ],
    ids=["lines", "json"],
)
def test_a_silent_stage_gives_signs_of_life(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    loudness: dict[str, bool],
    line: str,
) -> None:
    monkeypatch.setattr("musetalk_fast.cli.heartbeat.PERIOD_SECS", 0.01)
    shown, give_up = "", time.monotonic() + 60
    with open_display(_verbosity(**loudness)) as display:
        display(ProgressEvent(stage="generate", done=1, total=100))
        while line not in shown and time.monotonic() < give_up:
            shown += "".join(capsys.readouterr())
    assert line in shown
    capsys.readouterr()
    time.sleep(0.05)
    assert "".join(capsys.readouterr()) == ""


def test_lines_are_few(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("time.monotonic", lambda: next(clock) / 10)
    display = LineDisplay(verbose=False)
    for done in range(1, 1001):
        display(ProgressEvent(stage="generate", done=done, total=1000, fps=10.0, eta_secs=1.0))
    lines = capsys.readouterr().err.splitlines()
    # 100 s: one each 5 s, and the last.
    assert 19 <= len(lines) <= 22
    assert lines[0] == "generating 5%, 0:05, 0:01 left, 10 fps, 51/1000"
    assert lines[-1] == "generating 100%, 1:40, 10 fps, 1000/1000"


@pytest.mark.parametrize(
    ("secs", "clock", "duration"),
    [(0.04, "0:00", "0.0 s"), (7.12, "0:07", "7.1 s"), (59.96, "1:00", "1:00 min"),
     (725.4, "12:05", "12:05 min"), (3599.6, "1:00:00", "1:00:00 h"),
     (3725, "1:02:05", "1:02:05 h")],
)  # fmt: skip
def test_times(secs: float, clock: str, duration: str) -> None:
    assert (formatting.clock(secs), formatting.duration(secs)) == (clock, duration)
    assert formatting.percent(177, 178) == "99%"


def test_a_video_whose_parts_were_all_there_has_no_speed() -> None:
    line = formatting.done_line(replace(DONE, fps=0.0))
    assert line.endswith("1.2 MB), rendered in 3.2 s")


def test_every_event_has_a_name() -> None:
    assert [event_name(event) for event in (PLAN, SERVER, DONE)] == ["plan", "server", "done"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (999_950, "1.0 MB"),
     (1_234_567, "1.2 MB"), (5 * 10**9, "5.0 GB"), (2 * 10**12, "2.0 TB")],
)  # fmt: skip
def test_sizes(count: int, text: str) -> None:
    assert formatting.size(count) == text
