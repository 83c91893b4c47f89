"""A batch on terminals, in logs and as JSON: one bar for all, one for each job at work."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from terminal import opened_terminal

from musetalk_fast.batching import Job, Outcome, ReportFolder
from musetalk_fast.cli.batch_bars import BarBatch
from musetalk_fast.cli.batch_display import BatchDisplay
from musetalk_fast.cli.batch_follower import BatchFollower
from musetalk_fast.cli.batch_json_lines import JsonBatch
from musetalk_fast.cli.batch_text import LineBatch, QuietBatch
from musetalk_fast.cli.openjd_display import OpenJDBatch
from musetalk_fast.config import Settings
from musetalk_fast.errors import NoFaceError
from musetalk_fast.events import DoneEvent, PlanEvent, ProgressEvent, ServerEvent, WarningEvent
from musetalk_fast.planning import Plan

DONE = DoneEvent(
    output="a/anna.mp4", bytes=1, duration_secs=2, frames=50, fps=96.0, wall_secs=3.2, engine="x"
)
PLAN = PlanEvent(
    avatar="a.png", audio="a.wav", output="o.mp4", frames=50, fps="25", width=64, height=64,
    segments=1, encoder="libx264", threads=1, frame_encoding="raw",
)  # fmt: skip
SERVER = ServerEvent(url="http://gpu", engine="musetalk", model="1.5", builtin=False, wire="binary")
NOTE = WarningEvent(message="the face is tiny")


def _job(name: str) -> Job:
    file = Path(name)
    return Job(name, file, file, file, Settings())


def _failed(name: str) -> Outcome:
    return Outcome(_job(name), error=NoFaceError("no face", where=name))


def _rendered(display: BatchDisplay, name: str) -> None:
    """A job that says something, and ends well."""
    job = _job(name)
    display.begin(job)
    for event in (NOTE, PLAN, DONE):
        display.event(job, event)
    # What stands in the outcome is the report's business.
    display.end(Outcome(job, result=object()))  # type: ignore[arg-type]


def _kept(display: BatchDisplay, name: str) -> None:
    job = _job(name)
    display.begin(job)
    display.event(job, NOTE)
    display.end(Outcome(job, kept=object.__new__(Plan)))


def _generated(done: int) -> ProgressEvent:
    return ProgressEvent(stage="generate", done=done, total=50, fps=96.0, eta_secs=4.0)


def test_lines_name_jobs_and_spare_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    with LineBatch(5, verbose=False) as display:
        display.event(None, SERVER)
        _rendered(display, "anna")
        _kept(display, "kurt")
        display.begin(_job("bob"))
        display.event(_job("bob"), NOTE)
        display.end(_failed("bob"))
        display.begin(_job("dora"))
        display.event(_job("dora"), _generated(25))
        assert display.so_far().startswith("3 of 5 jobs, 0:00, 0:00 left; dora: generating 50%")
        display.interrupt()
        display.event(_job("dora"), NOTE)
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "1 of 5: anna: anna.mp4 (2.0 s, 50 frames, 1 bytes), rendered in 3.2 s at 96 fps"
    ]
    assert err.splitlines() == [
        "server: http://gpu (engine musetalk 1.5)",
        "anna: warning: the face is tiny (MTF-WARNING)",
        "bob: warning: the face is tiny (MTF-WARNING)",
        "bob: error: no face (MTF-NO-FACE)",
        "  where: bob",
        f"  hint: {NoFaceError.default_hint}",
        "stopped: 3 of 5 jobs were over, 1 at work; the same command again continues",
    ]


@pytest.mark.parametrize(
    ("kind", "line"),
    [(LineBatch, "0 of 5 jobs, 0:00\n"), (JsonBatch, '{"event": "batch", "state": "running", ')],
)
def test_a_long_silence_is_broken(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: type[BatchDisplay],
    line: str,
) -> None:
    monkeypatch.setattr("musetalk_fast.cli.heartbeat.PERIOD_SECS", 0.01)
    shown, give_up = "", time.monotonic() + 60
    with kind(5, **({"verbose": False} if kind is LineBatch else {})):
        while line not in shown and time.monotonic() < give_up:
            shown += "".join(capsys.readouterr())
    assert line in shown


def test_open_job_description_reads_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with OpenJDBatch(4, verbose=False) as display:
        display.event(None, SERVER)
        _rendered(display, "anna")
        _kept(display, "kurt")
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("openjd")] == [
        "openjd_progress: 25",
        "openjd_progress: 50",
    ]


def test_json_names_the_job_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonBatch(2) as display:
        display.event(None, SERVER)
        display.begin(_job("bob"))
        display.end(_failed("bob"))
        display.interrupt()
        display.result("summary", {"failed": 1}, "")
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["event"], each.get("job")) for each in objects] == [
        *(("server", None), ("error", "bob"), ("batch", None), ("batch", None)),
        ("summary", None),
    ]
    assert objects[2] == {
        "event": "batch", "state": "running", "total": 2, "done": 0, "kept": 0, "failed": 1,
        "eta_secs": None,
    }  # fmt: skip
    assert objects[3]["state"] == "stopped"


def test_quiet_says_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    with QuietBatch(2) as display:
        _rendered(display, "anna")
        display.begin(_job("bob"))
        display.end(_failed("bob"))
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", "bob: error: no face (MTF-NO-FACE)")


def test_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("musetalk_fast.cli.batch_bars._PERIOD_SECS", 0)
    monkeypatch.setattr("musetalk_fast.cli.batch_bars._CLOCK_SECS", 1e6)
    with opened_terminal(70) as terminal:
        monkeypatch.setattr("sys.stderr", terminal.stream)
        with BarBatch(200, verbose=False) as display:
            long = "a-name-that-is-longer-than-others-are"
            for name in ("anna", long):
                display.begin(_job(name))
                display.event(_job(name), PLAN)
            display.event(_job("anna"), _generated(25))
            assert terminal.rows() == [
                f"  0 of 200   0% {'░' * 20} 0:00",
                f"  anna                      generating  50% {'█' * 3}{'░' * 4} 0:04 left, 96 fps",
                f"  …-longer-than-others-are  loading      0% {'░' * 20}",
            ]
            for columns in (50, 23, 100):
                terminal.resize(columns)
                display.event(_job("anna"), _generated(30))
                rows = terminal.rows()
                assert len(rows) == 3
                assert max(map(len, rows)) < columns
            display.event(_job("anna"), NOTE)
            assert terminal.rows()[0] == "anna: warning: the face is tiny (MTF-WARNING)"
            assert len(terminal.rows()) == 4
            for number in range(40):
                display.begin(_job(f"job{number}"))
            display.event(_job("anna"), _generated(31))
            assert terminal.rows()[-1].startswith("  and ")
            display.interrupt()
        assert terminal.rows() == [
            "anna: warning: the face is tiny (MTF-WARNING)",
            "stopped: 0 of 200 jobs were over, 42 at work; the same command again continues",
        ]
    assert capsys.readouterr().out == ""


class _Noting(BatchDisplay):
    """Notes what is said."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.said: list[str] = []

    def warn(self, message: str, token: str) -> None:
        self.said.append(f"{message} ({token})")

    def result(self, _name: str, members: dict[str, object], text: str) -> None:
        self.said += [f"report: {members['report']}", text.splitlines()[-1]]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_report_is_named_only_if_it_was_written(is_there: bool, tmp_path: Path) -> None:
    place = ReportFolder(tmp_path if is_there else tmp_path / "gone")
    display = _Noting(1)
    with BatchFollower(display, [_job("anna")], place, {}) as follower:
        follower.begin(_job("anna"))
        follower.end(_failed("anna"))
    follower.summarise()
    said = "\n".join(display.said)
    assert ("; report: " in said, "is not written" in said) == (is_there, not is_there)
    assert f"report: {place.page if is_there else None}" in said
