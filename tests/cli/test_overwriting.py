"""Whoever sits at a terminal is asked before a video is replaced; a program never is."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from musetalk_fast.cli.overwriting import ask_before_replacing
from musetalk_fast.cli.render import render
from musetalk_fast.cli.settings_loading import load
from musetalk_fast.cli.verbosity import Verbosity
from musetalk_fast.errors import OutputExistsError

Ask = Callable[..., str]
INPUTS = ("-i", "a.png", "-a", "a.wav")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Asks as `render` does, at a terminal at which somebody types; what the terminal shows."""
    monkeypatch.setenv("MUSETALK_CONFIG_PATH", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").touch()
    outputs = [tmp_path / f"{number}.mp4" for number in range(3)]
    unnameable = [tmp_path / ("x" * 300 + ".mp4"), tmp_path / "nul\0.mp4"]

    def ask(typed: str, *flags: str, count: int = 1, is_terminal: bool = True) -> str:
        terminal = _Terminal if is_terminal else io.StringIO
        screen = terminal()
        monkeypatch.setattr(sys, "stdin", terminal(typed))
        monkeypatch.setattr(sys, "stderr", screen)
        ctx = render.make_context("render", [*INPUTS, "-o", "x", *flags], obj=Verbosity())
        load(ctx)
        ask_before_replacing(ctx, unnameable if count == 0 else outputs[:count])
        return screen.getvalue()

    return ask


def test_a_file_that_is_there_is_asked_about(ask: Ask, tmp_path: Path) -> None:
    assert "exists" not in ask("n\n")
    (tmp_path / "0.mp4").write_text("old")
    for answer in ("y", "Yes"):
        assert f"{tmp_path}/0.mp4 exists. Replace? [y/N]" in ask(f"{answer}\n")
    for answer in ("n\n", "\n", "what\n", ""):
        with pytest.raises(OutputExistsError) as caught:
            ask(answer)
        assert caught.value.where == str(tmp_path / "0.mp4")
        assert "-y" in str(caught.value.hint)


def test_what_cannot_be_a_file_is_not_asked_about(ask: Ask) -> None:
    assert ask("y\n", count=0) == ""


def test_a_batch_asks_once(ask: Ask, tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.mp4").write_text("old")
    assert "2 of 3 videos exist. Replace? [y/N]" in ask("y\n", count=3)
    with pytest.raises(OutputExistsError, match="they exist"):
        ask("n\n", count=3)


@pytest.mark.parametrize("flag", ["-y", "--yes", "--overwrite", "--no-overwrite", "--json"])
def test_who_has_said_it_and_a_program_are_not_asked(ask: Ask, tmp_path: Path, flag: str) -> None:
    (tmp_path / "0.mp4").write_text("old")
    assert "exists" not in ask("n\n", flag)


def test_neither_is_who_has_set_it_nor_a_script(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0.mp4").write_text("old")
    assert "exists" not in ask("n\n", is_terminal=False)
    (tmp_path / "config.toml").write_text("[output]\noverwrite = true\n")
    assert "exists" not in ask("n\n")
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("MUSETALK_OUTPUT_OVERWRITE", "true")
    assert "exists" not in ask("n\n")


def test_at_a_real_terminal(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    output.write_text("old")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "musetalk_fast", "render", *INPUTS, "-o", str(output)]
    with subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE) as process:
        os.close(theirs)
        os.write(ours, b"n\n")
        assert process.wait(60) == 73
        assert process.stdout is not None
        assert process.stdout.read() == b""
    shown = b""
    with suppress(OSError):  # Linux says so when the other side has closed
        while chunk := os.read(ours, 4096):
            shown += chunk
    os.close(ours)
    assert b"Replace? [y/N]" in shown
    assert b"MTF-OUTPUT-EXISTS" in shown
    assert output.read_text() == "old"
