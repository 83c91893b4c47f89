"""`batch` as a user starts it: one set of servers, and a summary."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from musetalk_fast.cli.batch_place import render_with
from musetalk_fast.config import ServerSettings, Settings
from musetalk_fast.errors import UsageError

REPOSITORY = Path(__file__).parents[2]
SMALL = ("--resolution", "256x256", "--preset", "ultrafast")


@pytest.fixture(autouse=True)
def clips(tmp_path: Path) -> Path:
    """Two jobs that work, one that does not, and a file that belongs nowhere."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for base in ("anna", "cleo"):
        shutil.copy(REPOSITORY / "examples/portrait.png", folder / f"{base}.png")
        shutil.copy(REPOSITORY / "tests/data/short.wav", folder / f"{base}.wav")
    (folder / "bob.png").write_text("no picture")
    shutil.copy(REPOSITORY / "tests/data/short.wav", folder / "bob.wav")
    (folder / "lone.png").touch()
    return folder


def test_a_failed_job_does_not_stop_the_others(run, tmp_path: Path) -> None:
    done = run("batch", "clips", "-s", "builtin", "-o", "out/put", *SMALL)
    assert done.returncode == 1, done.stderr
    assert sorted(path.name for path in (tmp_path / "out/put").iterdir()) == [
        *("anna.mp4", "cleo.mp4", "report.html", "report.json"),
    ]
    lines = done.stdout.splitlines()
    videos = [line for line in lines if "rendered in" in line]
    assert {line.partition(" (")[0].partition(": ")[2] for line in videos} == {
        *("anna: anna.mp4", "cleo: cleo.mp4"),
    }
    assert re.match(r"[123] of 3: ", videos[0])
    assert lines[-3] == "1 failed:"
    assert lines[-2].startswith("  bob  ")
    assert lines[-2].endswith("(MTF-IMAGE-FORMAT)")
    assert re.fullmatch(r"2 done, 1 failed in \d+\.\d s; report: out/put/report\.html", lines[-1])
    assert "bob: error: " in done.stderr
    assert "warning: lone.png: no recording is named lone" in done.stderr
    assert done.stderr.count("server: builtin") == 1


def test_json_names_jobs_and_ends_with_the_summary(run, clips: Path, preview_server: str) -> None:
    (clips / "bob.wav").unlink()
    command = ("batch", "clips", "-s", preview_server, "--json", "-o", "out", *SMALL)
    done = run(*command)
    assert (done.returncode, done.stderr) == (0, "")
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["job"] for each in objects if each["event"] == "done"} == {"anna", "cleo"}
    states = [(each["done"], each["total"]) for each in objects if each["event"] == "batch"]
    # Of a silence of some seconds there is one more.
    assert (sorted(states), sorted(set(states))[-2:]) == (states, [(1, 2), (2, 2)])
    assert objects[-1]["event"] == "summary"
    assert (objects[-1]["done"], "failed" in objects[-1]) == (2, False)
    again = run(*command, "--only", "a*")
    assert json.loads(again.stdout.splitlines()[-1])["kept"] == 1
    assert "estimated_secs" in run(*command, "-n", "--only", "a*").stdout
    report = json.loads(Path(clips.parent, "out/report.json").read_text())
    assert [each["name"] for each in report["earlier"]] == ["cleo"]


def test_dry_run_checks_all_and_writes_nothing(run, tmp_path: Path) -> None:
    done = run("batch", "clips", "-n", "-o", "out")
    assert done.returncode == 1
    headings, first = done.stdout.splitlines()[:2]
    assert headings.split()[:5] == ["job", "faces", "size", "fps", "frames"]
    assert re.match(r"anna  1, at \d+,\d+ \(\d+x\d+\)  512x512  25   75      3\.0 s   \?  ", first)
    assert done.stdout.splitlines()[-1].startswith("2 planned, 1 failed; 150 frames, 6.0 s")
    assert not (tmp_path / "out").exists()


def test_one_avatar_for_all(run, clips: Path) -> None:
    avatar = str(clips / "anna.png")
    done = run("batch", "clips", "-n", "-o", "out", "--avatar", avatar, "--limit", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("2 planned, 0 failed")


def test_a_list_with_errors_starts_nothing(run, clips: Path) -> None:
    lines = ["avatar,audio,crf", "clips/anna.png,clips/anna.wav,99", "clips/no.png,clips/anna.wav,"]
    (clips.parent / "jobs.csv").write_text("\n".join(lines))
    done = run("batch", "jobs.csv", "-s", "http://127.0.0.1:9", "-o", "out")
    assert done.returncode == 65
    assert done.stderr.splitlines() == [
        "error: 2 errors in 2 jobs (MTF-JOB-LIST)",
        "  jobs.csv:2: crf must be an integer from 0 to 63, not '99'",
        f"  jobs.csv:3: avatar: no such file: {clips}/no.png",
        "  where: jobs.csv",
        "  hint: correct the list; nothing was started",
    ]
    done = run("batch", "jobs.csv", "--json")
    assert len(json.loads(done.stdout)["details"]) == 2


def test_without_a_server_nothing_is_rendered_as_a_preview(run, tmp_path: Path) -> None:
    done = run("batch", "clips", "-o", "out", "-s", "http://127.0.0.1:9")
    assert done.returncode == 69
    assert "(MTF-SERVER-UNREACHABLE)" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_ambiguous_name_does_not_stop_the_others(run, clips: Path) -> None:
    shutil.copy(clips / "anna.png", clips / "anna.jpg")
    (clips / "bob.png").unlink()
    done = run("batch", "clips", "-n", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("1 planned, 0 failed")
    assert "more than one avatar is named anna: anna.jpg, anna.png" in done.stderr


def test_quiet_says_the_errors(run, tmp_path: Path) -> None:
    done = run("batch", "clips", "-q", "-n", "-o", "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bob: error: ")
    assert "(MTF-IMAGE-FORMAT)" in done.stderr.splitlines()[0]
    assert "lone" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_cluster_needs_an_address_a_server_and_ray(run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("batch", "clips", "-o", "out", "--on", "slurm", "-s", "builtin")
    assert done.returncode == 2
    assert "'slurm' is neither ray nor ray://HOST:PORT (PORT is 10001" in done.stderr
    named, unnamed = Settings(server=ServerSettings(url="http://gpu:8000")), Settings()
    with pytest.raises(UsageError) as no_server:
        render_with("auto", None, unnamed)
    assert "--serve ENGINE" in str(no_server.value.hint)
    for cluster, engine, settings in ((None, "preview", unnamed), ("auto", "preview", named)):
        with pytest.raises(UsageError, match="--serve"):
            render_with(cluster, engine, settings)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError) as not_installed:
        render_with("ray://head:10001", "preview", unnamed)
    assert "pip install 'musetalk-fast[ray]'" in str(not_installed.value.hint)
