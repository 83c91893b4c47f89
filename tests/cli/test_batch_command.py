"""`batch` as a user starts it: one server for all, and a summary."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

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
        "anna.mp4",
        "cleo.mp4",
    ]
    summary = done.stdout.splitlines()[-4:]
    assert summary[0].startswith("anna  done     anna.mp4 (")
    assert summary[1].startswith("bob   failed   ")
    assert "(MTF-IMAGE-FORMAT)" in summary[1]
    assert summary[2].startswith("cleo  done     cleo.mp4 (")
    assert re.fullmatch(r"2 done, 1 failed in \d+\.\d s", summary[3])
    assert [line for line in done.stderr.splitlines() if " of 3):" in line] == [
        *("anna (1 of 3):", "bob (2 of 3):", "cleo (3 of 3):"),
    ]
    assert "warning: lone.png: no recording is named lone" in done.stderr
    assert done.stderr.count("server: builtin") == 1


def test_json_names_jobs_and_ends_with_the_summary(run, clips: Path, preview_server: str) -> None:
    (clips / "bob.wav").unlink()
    done = run("batch", "clips", "-s", preview_server, "--json", "-o", "out", *SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["job"] for each in objects if each["event"] == "done"} == {"anna", "cleo"}
    assert objects[-1]["event"] == "summary"
    assert (objects[-1]["done"], objects[-1]["failed"]) == (2, 0)


def test_dry_run_checks_all_and_writes_nothing(run, tmp_path: Path) -> None:
    done = run("batch", "clips", "-n", "-o", "out")
    assert done.returncode == 1
    first = done.stdout.splitlines()[0]
    assert first.startswith("anna  planned  anna.mp4 (75 frames at 25 fps, 512x512; faces: 1, at ")
    assert done.stdout.splitlines()[-1] == "2 planned, 1 failed"
    assert not (tmp_path / "out").exists()


def test_one_avatar_for_all(run, clips: Path) -> None:
    done = run("batch", "clips", "-n", "-o", "out", "--avatar", str(clips / "anna.png"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "3 planned, 0 failed"


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
    assert done.stdout.splitlines()[-1] == "1 planned, 0 failed"
    assert "more than one picture is named anna: anna.jpg, anna.png" in done.stderr


def test_quiet_says_the_errors(run, tmp_path: Path) -> None:
    done = run("batch", "clips", "-q", "-n", "-o", "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bob (2 of 3): error: ")
    assert "(MTF-IMAGE-FORMAT)" in done.stderr.splitlines()[0]
    assert "lone" not in done.stderr
    assert not (tmp_path / "out").exists()
