"""The real program, as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_server import CommandServer

import musetalk_fast

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def command_server() -> Iterator[CommandServer]:
    """Starts commands fast."""
    with CommandServer() as server:
        yield server


@pytest.fixture
def run(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, command_server: CommandServer
) -> Run:
    """Runs `python -m musetalk_fast` in an empty folder, away from this user's settings."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith("MUSETALK_")
        }
        environ |= {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
        environ["PYTHONPATH"] = str(Path(musetalk_fast.__file__).parents[1])
        # Those are read when an interpreter starts: such a command gets one of its own.
        if not any(name.startswith("PYTHON") for name in variables):
            output = tmp_path_factory.mktemp("output")
            return command_server.run([*arguments], tmp_path, environ | variables, output)
        return subprocess.run(
            [sys.executable, "-m", "musetalk_fast", *arguments],
            cwd=tmp_path,
            env=environ | variables,
            capture_output=True,
            text=True,
            timeout=180,
        )

    return run
