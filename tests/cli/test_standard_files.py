"""stdin, stdout and stderr: closed, full, gone or of another encoding, and never worth a render."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from pathlib import Path

import av
import pytest

from musetalk_fast.cli import display
from musetalk_fast.cli.display import JsonDisplay, LineDisplay
from musetalk_fast.cli.json_lines import json_line
from musetalk_fast.cli.stdio import STDOUT, _Forgiving, _Named, _text
from musetalk_fast.events import DoneEvent
from musetalk_fast.wire.printable import printable

REPOSITORY = Path(__file__).parents[2]
DONE = DoneEvent(
    output="n\xe9.mp4", bytes=1, duration_secs=1, frames=1, fps=1, wall_secs=1, engine="preview"
)
Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Runs `musetalk-fast WORDS` with these redirections, as a shell does."""

    def run(words: str, redirections: str, **variables: str) -> subprocess.CompletedProcess[str]:
        program = f"{sys.executable} -m musetalk_fast"
        return subprocess.run(
            ["bash", "-c", f"{program} {words} {redirections}"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path), **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture
def words(tmp_path: Path, preview_server: str) -> str:
    """A render whose names ASCII lacks."""
    shutil.copy(REPOSITORY / "examples/portrait.png", tmp_path / "né.png")
    shutil.copy(REPOSITORY / "tests/data/short.wav", tmp_path / "né.wav")
    small = "--resolution 256x256 --preset ultrafast --no-face-check"
    return f"render -i né.png -a né.wav -o né.mp4 -s {preview_server} {small}"


def _frames(path: Path) -> int:
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


def test_a_render_needs_none_of_the_three(shell: Shell, words: str, tmp_path: Path) -> None:
    assert shell(words, "<&- >&- 2>&-").returncode == 0
    assert _frames(tmp_path / "né.mp4") == 75


def test_a_render_needs_no_reader_and_no_unicode(shell: Shell, words: str, tmp_path: Path) -> None:
    done = shell(words, "2> >(exec 0<&-)", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.startswith(r"Output: n\xe9.mp4 (")
    assert _frames(tmp_path / "né.mp4") == 75


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-"])
def test_a_closed_standard_file_is_an_empty_one(shell: Shell, redirection: str) -> None:
    # Its event loop must not get the number that is free: libuv would abort.
    done = shell("render -n -i none.png -a none.wav -o none.mp4", redirection)
    assert (done.returncode, done.stdout) == (66, "")
    assert ("error: no such file" in done.stderr) == (redirection != "2>&-")
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_gone_is_141_for_a_help_too() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "musetalk_fast", "render", "--help"]
    with os.fdopen(writer, "w") as stdout:
        done = subprocess.run(
            command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_stderr_forgives_a_closed_terminal() -> None:
    terminal, ours = os.openpty()
    os.close(terminal)
    with _text(_Forgiving(ours, "w"), None) as stderr:
        print("x", file=stderr, flush=True)
        stderr.write("y" * 100_000)


def test_stdout_says_which_file_it_is() -> None:
    terminal, ours = os.openpty()
    os.close(terminal)
    raw = _Named(ours, "w")
    with pytest.raises(OSError, match="Input/output") as caught:
        raw.write(b"x")
    raw.close()
    assert caught.value.filename == STDOUT


def test_a_file_that_does_not_block_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    child = subprocess.Popen(["wc", "-c"], stdin=reading, stdout=subprocess.PIPE)
    os.close(reading)
    with _text(_Named(writing, "w"), None) as stdout:
        stdout.write("x" * 1_000_000)
    assert child.communicate(timeout=60)[0].split() == [b"1000000"]


@pytest.fixture
def full_stdout(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[None]:
    """In its context the disk below stdout is full."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    monkeypatch.setattr(display, "_lost", [])

    @contextmanager
    def full() -> Iterator[None]:
        with _text(_Named("/dev/full", "w"), None) as stdout, redirect_stdout(stdout):
            yield

    return full()


@pytest.mark.parametrize("shown", [JsonDisplay(), LineDisplay(verbose=False)])
def test_a_finished_video_is_no_error_of_a_full_stdout(
    shown: display.Display,
    full_stdout: AbstractContextManager[None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with full_stdout, shown:
        shown(DONE)
    said = capsys.readouterr().err
    assert "warning: stdout cannot be written: No space left on device (MTF-STDOUT)" in said


def test_an_answer_that_cannot_be_written_is_an_error(
    full_stdout: AbstractContextManager[None],
) -> None:
    with full_stdout, pytest.raises(OSError, match="No space left"), JsonDisplay() as shown:
        shown.result("plan", {}, "")


def test_names_that_are_no_unicode_can_be_printed_everywhere() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert printable(name) == r"caf\xe9"
    line = json_line({"a": {"b": [name, 1, None]}})
    assert "\\u" not in line
    assert json.loads(line)["a"]["b"] == [r"caf\xe9", 1, None]
    raw = io.FileIO(os.dup(2), "w")
    with _text(raw, None) as stderr:
        assert stderr.errors == "backslashreplace"
