"""No temporary folder is left by a command that a signal stops, wherever that meets it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import musetalk_fast

REPOSITORY = Path(musetalk_fast.__file__).parents[1]
PORTRAIT = REPOSITORY / "examples/portrait.png"

BENCH = """
import os, sys
from musetalk_fast import benching
from musetalk_fast.__main__ import main
from musetalk_fast.storage import temporary_folder

number = int(sys.argv.pop())

def measure(*_):
    with temporary_folder():
        print("folders:", len(os.listdir(os.environ["TMPDIR"])), file=sys.stderr)
        os.kill(os.getpid(), number)
        raise AssertionError("it goes on")

benching.run_bench = measure
main()
"""

RENDER = """
import importlib, os, sys
from musetalk_fast.__main__ import main

number, place, name = int(sys.argv.pop()), sys.argv.pop(), sys.argv.pop()
module = importlib.import_module(place)
before = getattr(module, name)

def stopped(*given, **named):
    result = before(*given, **named)
    print("folders:", len(os.listdir(os.environ["TMPDIR"])), file=sys.stderr)
    os.kill(os.getpid(), number)
    return result

setattr(module, name, stopped)
main()
"""


def _stopped(folder: Path, program: str, *words: str) -> tuple[int, str]:
    """The exit code and stderr of a program that gets the portrait on stdin."""
    with PORTRAIT.open("rb") as portrait:
        ended = subprocess.run(
            [sys.executable, "-c", program, *words],
            env={**os.environ, "TMPDIR": str(folder), "HOME": str(folder.parent)},
            cwd=REPOSITORY,
            input=portrait.read(),
            capture_output=True,
            timeout=60,
            check=False,
        )
    return ended.returncode, ended.stderr.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For all that is temporary."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("place", "name", "output", "made"),
    [
        ("musetalk_fast.cli.signals", "run_blocking", "out.mp4", 1),
        ("musetalk_fast.cli.display_selection", "open_display", "-", 2),
    ],
    ids=["input", "input and output"],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_render_of_pipes_leaves_none(
    folder: Path, place: str, name: str, output: str, made: int, number: int
) -> None:
    target = output if output == "-" else str(folder.parent / output)
    inputs = ("-i", "-", "-a", "tests/data/short.wav", "-o", target)
    code, err = _stopped(folder, RENDER, "render", *inputs, name, place, str(number))
    assert f"folders: {made}" in err
    assert code == 128 + number, err
    assert err.count("(MTF-STOPPED)") == 1
    assert "Traceback" not in err
    assert list(folder.iterdir()) == []


def test_a_measurement_leaves_none(folder: Path) -> None:
    code, err = _stopped(folder, BENCH, "bench", str(int(signal.SIGTERM)))
    assert "folders: 1" in err
    assert code == 143, err
    assert list(folder.iterdir()) == []
