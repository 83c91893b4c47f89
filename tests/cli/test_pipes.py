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

from musetalk_fast.cli.piping import refuse_pipes
from musetalk_fast.config import OutputSettings, Settings
from musetalk_fast.errors import OutputFormatError, PlanError, UsageError
from musetalk_fast.rendering.pipe_render import piped_name
from musetalk_fast.rendering.steps import open_plan

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


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("render", "-i", "-", "-a", "-", "-o", "x.mp4"), 2, "only one input can come"),
        (("plan", "-i", "a.png", "-a", "-", "-o", "x.mp4"), 2, "a plan names files"),
    ],
)
def test_pipes_are_refused_with_what_to_do(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "  hint: " in done.stderr
    assert not (tmp_path / "x.mp4").exists()


def test_what_no_pipe_can_be(tmp_path: Path) -> None:
    named, stdout = tmp_path / "a.wav", Path("-")
    with pytest.raises(UsageError, match="a plan is for a file") as caught:
        refuse_pipes(named, named, stdout)
    assert "render -o -" in str(caught.value.hint)
    with pytest.raises(PlanError, match=r"a plan is named OUTPUT\.parts/plan\.json") as plan:
        open_plan(stdout)
    assert "that `plan` made" in str(plan.value.hint)
    for name in ("gif", "webp", "apng", "png", "jpeg"):
        settings = Settings(output=OutputSettings(format=name))
        with pytest.raises(OutputFormatError, match="cannot be written into a pipe") as caught:
            piped_name(settings)
        assert "y4m" in str(caught.value.hint)
    assert piped_name(Settings()) == "stdout.mkv"
