"""A render that is stopped leaves nothing half-written and no server behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PORTRAIT = REPOSITORY / "examples/portrait.png"


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _gone_within(pid: int, secs: float) -> bool:
    deadline = time.monotonic() + secs
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _alive(pid)


@pytest.fixture
def long_render(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A render that has begun to generate frames and has minutes to go."""
    with wave.open(str(tmp_path / "long.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        with wave.open(str(REPOSITORY / "tests/data/short.wav")) as speech:
            sound.writeframes(speech.readframes(speech.getnframes()) * 100)
    command = [sys.executable, "-m", "musetalk_fast", "render", "--json", "-s", "builtin"]
    # No part is finished before the signal arrives.
    files = ["-i", str(PORTRAIT), "-a", "long.wav", "-o", "out.mp4", "--segment-secs", "300"]
    process = subprocess.Popen(
        command + files, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["stage"] == "encode" and event["done"] > 20:
            break
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc for children")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_stops_everything(
    long_render: subprocess.Popen[str], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    (server,) = _children(long_render.pid)
    long_render.send_signal(number)
    assert long_render.wait(60) == code  # minutes before its end
    assert _gone_within(server, 60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.wav"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc for children")
def test_the_server_dies_with_a_killed_client(
    long_render: subprocess.Popen[str], tmp_path: Path
) -> None:
    (server,) = _children(long_render.pid)
    os.kill(long_render.pid, signal.SIGKILL)
    assert long_render.wait(60) == -signal.SIGKILL
    assert _gone_within(server, 60)
    assert not (tmp_path / "out.mp4").exists()
