"""`render` between programs: inputs from pipes, and the video into one while it is made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import av
import pytest

REPOSITORY = Path(__file__).parents[2]
SPEECH = REPOSITORY / "tests/data/short.wav"
SMALL = ("--resolution", "256x256", "--preset", "ultrafast", "--segment-secs", "1", "--fps", "5")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def avatar(tmp_path: Path) -> None:
    """What the commands name."""
    shutil.copy(REPOSITORY / "examples/portrait.png", tmp_path / "a.png")
    shutil.copy(SPEECH, tmp_path / "a.wav")
    (tmp_path / "tmp").mkdir()


def _start(folder: Path, *arguments: str, **ways: object) -> subprocess.Popen[bytes]:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("MUSETALK_")}
    environ |= {"HOME": str(folder), "TMPDIR": str(folder / "tmp")}
    command = [sys.executable, "-m", "musetalk_fast", "render", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environ, **ways)  # type: ignore[call-overload, no-any-return]


def test_between_two_programs(tmp_path: Path, preview_server: str) -> None:
    """`ffmpeg ... | musetalk-fast render ... -a - -o - | ffplay -`, with FFmpeg's libraries."""
    pipe = subprocess.PIPE
    arguments = ("-s", preview_server, "-i", "a.png", "-a", "-", "-o", "-", "--json", *SMALL)
    with _start(tmp_path, *arguments, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        said: list[bytes] = []
        threads = (
            threading.Thread(target=lambda: said.append(process.stderr.read())),
            threading.Thread(target=_send, args=(process.stdin,)),
        )
        for thread in threads:
            thread.start()
        with av.open(process.stdout) as container:
            frames = list(container.decode())
        for thread in threads:
            thread.join()
        assert process.wait(60) == 0, said
    video = [frame for frame in frames if isinstance(frame, av.VideoFrame)]
    sound = [frame for frame in frames if isinstance(frame, av.AudioFrame)]
    assert [round(frame.time * 5) for frame in video] == [*range(15)]
    assert len({bytes(frame.planes[0]) for frame in video}) > 5
    assert sum(frame.samples for frame in sound) / sound[0].sample_rate == pytest.approx(3, abs=0.1)
    events = [json.loads(line) for line in said[0].splitlines()]
    assert [event.get("token") for event in events].count("MTF-PIPE") == 1
    assert (events[-1]["event"], events[-1]["output"]) == ("done", "-")
    assert not list((tmp_path / "tmp").iterdir())


def _send(stdin: object) -> None:
    with stdin as file:  # type: ignore[attr-defined]
        file.write(SPEECH.read_bytes())


def test_a_reader_that_has_gone_ends_the_program(tmp_path: Path, preview_server: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    arguments = ("-s", preview_server, "-i", "a.png", "-a", "a.wav", "-o", "-", *SMALL)
    with _start(tmp_path, *arguments, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        assert process.stderr is not None
        assert b"error" not in process.stderr.read()
        assert process.wait(60) == 141
    assert not list((tmp_path / "tmp").iterdir())


REFUSED = {
    "two of them": (("render", "-i", "-", "-a", "-", "-o", "x.mp4"), 2, "only one input can come"),
    "nothing": (("render", "-i", "a.png", "-a", "-", "-o", "x.mp4"), 66, "nothing came"),
    "a GIF": (
        ("render", "-i", "a.png", "-a", "a.wav", "-o", "-", "--format", "gif", "-n"),
        *(73, "gif cannot be written into a pipe"),
    ),
    "a plan of one": (("plan", "-i", "a.png", "-a", "-", "-o", "x.mp4"), 2, "a plan names files"),
    "a plan for one": (("plan", "-i", "a.png", "-a", "a.wav", "-o", "-"), 2, "a plan is for a fi"),
    "segments of one": (("segment", "-"), 65, "a plan is named OUTPUT.parts/plan.json"),
    "join of one": (("join", "-"), 65, "a plan is named OUTPUT.parts/plan.json"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pipes_are_not_for_says_what_to_do(run: Run, tmp_path: Path, name: str) -> None:
    arguments, code, said = REFUSED[name]
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "  hint: " in done.stderr
    assert not (tmp_path / "x.mp4").exists()
