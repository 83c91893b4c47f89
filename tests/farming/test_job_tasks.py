"""What the tasks of a job on a cluster say comes to the terminal as if one had made it."""

from __future__ import annotations

from pathlib import Path

from musetalk_fast.batching import Job
from musetalk_fast.config import AvatarSettings, ServerSettings, Settings
from musetalk_fast.events import Event, PlanEvent, ProgressEvent, ServerEvent, WarningEvent
from musetalk_fast.farming.ray.job_tasks import Begun, JobTasks, Message, shares
from musetalk_fast.farming.ray.work import Work, portable

JOB = Job("anna", Path("anna.png"), Path("anna.wav"), Path("out/anna.mp4"), Settings())
PLAN = PlanEvent(
    avatar="", audio="", output="", frames=100, fps="25", width=2, height=2, segments=4, kept=0,
    encoder="libx264", threads=1, frame_encoding="raw", transparent=False,
)  # fmt: skip


def _said(pieces: int, *messages: tuple[int, Event | Begun]) -> list[tuple[str | None, Event]]:
    said: list[tuple[str | None, Event]] = []
    tasks = JobTasks(JOB, pieces, lambda job, event: said.append((job and job.name, event)))
    for piece, content in messages:
        tasks.take(Message("anna", piece, content))
    return said


def test_progress_of_pieces_is_one_progress() -> None:
    def frames(done: int, fps: float) -> ProgressEvent:
        return ProgressEvent(stage="generate", done=done, total=50, fps=fps, eta_secs=2.0)

    said = _said(2, (0, PLAN), (1, frames(10, 5.0)), (2, frames(20, 7.0)), (1, frames(30, 5.0)))
    sums = [(event.done, event.total) for _, event in said if isinstance(event, ProgressEvent)]
    assert sums == [(10, 100), (30, 100), (50, 100)]
    assert said[-1][1].fps == 12.0
    alone = ProgressEvent(stage="generate", done=1, total=9)
    assert _said(1, (0, alone)) == [("anna", alone)]


def test_a_task_that_begins_again_is_a_warning_and_the_same_warning_comes_once() -> None:
    size = WarningEvent(message="small", token="MTF-SIZE")
    said = _said(1, (0, Begun("a, 1")), (0, size), (0, Begun("b, 2")), (0, size))
    assert [event.token for _, event in said] == ["MTF-SIZE", "MTF-TASK-AGAIN"]
    assert "(a, 1): begun again (b, 2)" in said[1][1].message
    steps = [(0, Begun("a")), (1, Begun("b")), (2, Begun("c")), (0, Begun("c"))]
    assert _said(2, *steps) == [], "the join is another task than the plan"


def test_servers_are_those_of_all_jobs() -> None:
    server = ServerEvent(url="http://a:1", engine="e", model="m", builtin=False, wire="binary")
    assert _said(1, (0, server)) == [(None, server)]


def test_segments_are_shared_out_evenly() -> None:
    assert [list(each) for each in shares(5, 2)] == [[0, 1], [2, 3, 4]]
    assert list(shares(2, 9)) == [range(1), range(1, 2)]


def test_paths_mean_the_same_in_another_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wall.png").touch()
    settings = Settings(
        server=ServerSettings(url="https://a", ca_file="ca.pem", api_key="secret"),
        avatar=AvatarSettings(background="wall.png"),
    )
    job = portable(Job("a", Path("a.png"), Path("a.wav"), Path("out/a.mp4"), settings))
    assert (job.avatar, job.output) == (tmp_path / "a.png", tmp_path / "out/a.mp4")
    assert job.settings.server.ca_file == str(tmp_path / "ca.pem")
    assert job.settings.avatar.background == str(tmp_path / "wall.png")
    assert job.settings.server.api_key == "secret"
    white = Settings(avatar=AvatarSettings(background="white"))
    assert portable(Job("a", Path("/a"), Path("/b"), Path("/c"), white)).settings == white


def test_no_key_is_in_what_a_task_shows_of_its_work() -> None:
    settings = Settings(server=ServerSettings(url="http://a:1", api_key="of-the-user"))
    job = Job("a", Path("a.png"), Path("a.wav"), Path("a.mp4"), settings)
    work = Work(job, None, 2, events=None, key="of-the-batch")
    assert "of-the" not in repr(work)
    assert work.settings_at("http://b:2").server.api_key == "of-the-batch"
