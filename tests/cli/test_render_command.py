"""`render` as a user starts it: plans, refusals with their exit codes, and a real video."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import musetalk_fast

REPOSITORY = Path(__file__).parents[2]
SMALL = ("--resolution", "256x256", "--preset", "ultrafast")


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> Path:
    """What the commands name."""
    shutil.copy(REPOSITORY / "examples/portrait.png", tmp_path / "a.png")
    shutil.copy(REPOSITORY / "tests/data/short.wav", tmp_path / "a.wav")
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:5000])
    (tmp_path / "empty.wav").touch()
    (tmp_path / "there.mp4").write_text("keep me")
    (tmp_path / "folder").mkdir()
    return tmp_path


def _arguments(image: str = "a.png", audio: str = "a.wav", output: str = "out.mp4") -> list[str]:
    return ["render", "-i", image, "-a", audio, "-o", output]


REFUSED = {
    "no such picture": (_arguments("none.png"), 66, "MTF-INPUT-MISSING", "none.png"),
    "no such recording": (_arguments(audio="none.wav"), 66, "MTF-INPUT-MISSING", "none.wav"),
    "a folder": (_arguments("folder"), 66, "MTF-INPUT-UNREADABLE", "folder"),
    "empty picture": (_arguments("empty.png"), 65, "MTF-IMAGE-FORMAT", "empty.png"),
    "text as picture": (_arguments("text.png"), 65, "MTF-IMAGE-FORMAT", "text.png"),
    "cut picture": (_arguments("cut.png"), 65, "MTF-IMAGE-FORMAT", "cut.png"),
    "no face": ([*_arguments(), "--face", "7"], 65, "MTF-NO-FACE", "a.png"),
    "empty recording": (_arguments(audio="empty.wav"), 65, "MTF-AUDIO", "empty.wav"),
    "unknown extension": (_arguments(output="out.xyz"), 73, "MTF-OUTPUT-FORMAT", "out.xyz"),
    "no such folder": (_arguments(output="none/out.mp4"), 73, "MTF-OUTPUT", "none"),
    "unknown encoder": ([*_arguments(), "--codec", "x"], 73, "MTF-ENCODER", "x"),
    "is there": (
        [*_arguments(output="there.mp4"), "--no-overwrite"],
        *(73, "MTF-OUTPUT-EXISTS", "there.mp4"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_by_the_dry_run_too(run, files: Path, name: str) -> None:
    arguments, code, token, where = REFUSED[name]
    before = sorted(files.iterdir())
    done = run(*arguments, "-n")
    assert done.returncode == code, done.stderr
    first = next(line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert f"({token}" in first
    assert where in done.stderr
    assert "  hint: " in done.stderr
    assert sorted(files.iterdir()) == before
    assert (files / "there.mp4").read_text() == "keep me"


def test_a_chosen_server_that_is_down(run) -> None:
    done = run(*_arguments(), "-s", "http://127.0.0.1:9")
    assert done.returncode == 69
    assert "(MTF-SERVER-UNREACHABLE)" in done.stderr
    assert "where: http://127.0.0.1:9" in done.stderr


def test_an_address_that_is_none(run) -> None:
    done = run(*_arguments(), MUSETALK_SERVER_URL="ftp://x")
    assert done.returncode == 78
    assert "http://HOST:PORT" in done.stderr


def test_dry_run_prints_the_plan_and_writes_nothing(run, files: Path) -> None:
    before = sorted(files.iterdir())
    done = run(*_arguments(), "-n", "--fps", "29.97", "--resolution", "256x256")
    assert done.returncode == 0, done.stderr
    plan = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert plan["fps"] == "30000/1001"
    assert plan["frames"] == "90"
    assert plan["size"] == "256x256"
    assert len(plan["identity"]) == 64
    assert sorted(files.iterdir()) == before


def test_dry_run_as_json(run) -> None:
    done = run(*_arguments(), "-n", "--json", "--sound", "none")
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["event"], last["frames"], last["sound"]) == ("plan", 75, "none")


def test_settings_reach_the_plan(run) -> None:
    variables = {"MUSETALK_OUTPUT_FPS": "10", "MUSETALK_OUTPUT_RESOLUTION": "256x256"}
    done = run(*_arguments(), "-n", "--json", "--fps", "20", **variables)
    plan = json.loads(done.stdout.splitlines()[-1])
    assert (plan["fps"], plan["width"]) == ("20", 256)


def test_a_video_in_plain_lines(run, files: Path) -> None:
    done = run(*_arguments(), "-s", "builtin", "-v", *SMALL)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Output: out.mp4 (")
    assert " 75 frames, " in done.stdout
    for words in ("server: builtin (engine preview", "a preview, not MuseTalk", "time: ", "plan: "):
        assert words in done.stderr
    assert (files / "out.mp4").stat().st_size > 0


def test_a_video_as_json(run) -> None:
    done = run(*_arguments(), "-s", "builtin", "--json", *SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    names = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert {"plan", "server", "upload", "segment", "progress", "done"} <= set(names)
    assert names[-1] == "done"


def test_quiet_says_nothing(run, files: Path) -> None:
    done = run(*_arguments(), "-s", "builtin", "-q", *SMALL)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (files / "out.mp4").exists()


def test_a_bar_on_a_terminal_of_fifty_columns(files: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    environ = {**os.environ, "PYTHONPATH": str(Path(musetalk_fast.__file__).parents[1])}
    command = [*_arguments(), "-s", "builtin", *SMALL]
    process = subprocess.Popen(
        [sys.executable, "-m", "musetalk_fast", *command],
        cwd=files,
        env=environ | {"TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # Linux says so when the other side has closed
        pass
    finally:
        os.close(ours)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, shown
    bars = re.findall(r"\x1b\[\?7l(.*?)\x1b\[\?7h", shown.decode())
    for words in ("loading    100% ", "generating 100% ", "encoding   100% ", "joining    100% "):
        assert any(words in bar for bar in bars)
    assert max(map(len, bars)) < 50
    assert b"sending" not in shown, "all stays on this machine"
    assert re.match(r"Output: out.mp4 \(3.0 s, 75 frames, .*\), rendered in \d+\.\d s at ", out)


def test_a_render_goes_on_when_its_reader_goes_away(files: Path, preview_server: str) -> None:
    command = [*_arguments(), "-s", preview_server, "--json", *SMALL]
    environ = {**os.environ, "PYTHONPATH": str(Path(musetalk_fast.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-m", "musetalk_fast", *command],
        cwd=files,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
    assert (files / "out.mp4").exists()
