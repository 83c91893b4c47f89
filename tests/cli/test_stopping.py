"""A signal stops a command within a second whatever it is at: also inside FFmpeg's reads."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

import musetalk_fast

REPOSITORY = Path(musetalk_fast.__file__).parents[1]
PORTRAIT = REPOSITORY / "examples/portrait.png"
HOURS = 4
PLANNING = ("-i", "anna.png", "-a", "anna.wav", "-o", "anna.mp4", "--no-face-check")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a picture and a recording of many hours, which takes no space on the disk."""
    (tmp_path / "anna.png").write_bytes(PORTRAIT.read_bytes())
    size = HOURS * 3600 * 8_000 * 2
    form = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 8_000, 16_000, 2, 16, b"data", size)
    with (tmp_path / "anna.wav").open("wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form)
        file.truncate(44 + size)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def _stopped(home: Path, number: int, pause: float, *words: str) -> tuple[int, float, str]:
    environ = {**os.environ, "HOME": str(home), "TMPDIR": str(home / "tmp")}
    environ["PYTHONPATH"] = str(REPOSITORY)
    process = subprocess.Popen(
        [sys.executable, "-m", "musetalk_fast", *words],
        cwd=home,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_until_it_decodes(home)
        time.sleep(pause)
        began = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        return process.returncode, time.monotonic() - began, err
    finally:
        process.kill()
        process.communicate()


def _wait_until_it_decodes(home: Path) -> None:
    deadline = time.monotonic() + 60
    while not any(file.stat().st_size > 1 << 20 for file in home.glob("**/speech-*.wav.*.tmp")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "number", "code"),
    [
        (("render", "-n", *PLANNING), signal.SIGINT, 130),
        (("plan", *PLANNING), signal.SIGTERM, 143),
        (("batch", "-n", ".", "-o", "out", "--no-face-check"), signal.SIGINT, 130),
    ],
    ids=["render -n", "plan", "batch -n"],
)
def test_a_signal_is_never_lost(home: Path, words: tuple[str, ...], number: int, code: int) -> None:
    for turn in range(2):
        returned, secs, err = _stopped(home, number, 0.03 * turn, *words)
        assert returned == code, err
        assert "Traceback" not in err
        # A second is the contract; the remainder is slack for a busy machine.
        assert secs < 30
