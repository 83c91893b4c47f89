"""The systemd unit in deploy/ is one, and starts what there is."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from musetalk_fast.cli.main import cli
from musetalk_fast.server.limits import Limits

UNIT = Path(__file__).parents[2] / "deploy/musetalk-fast.service"


def _settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_it_gives_options_that_serve_has_and_the_time_to_drain() -> None:
    (command,) = _settings("ExecStart")
    defaults = next(line for line in _settings("Environment") if "ARGS=" in line)
    words = [*shlex.split(command), *shlex.split(defaults)[0].removeprefix("ARGS=").split()]
    serve = cli.get_command(click.Context(cli), words[1])
    assert serve is not None
    known = {flag for param in serve.params for flag in param.opts}
    assert {word for word in words if word.startswith("--")} <= known
    (secs,) = _settings("TimeoutStopSec")
    assert float(secs) > Limits().drain_secs + 5


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_takes_it(tmp_path: Path) -> None:
    (command,) = _settings("ExecStart")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(command.split()[0], sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
