"""A random mix of faults for some time: every render ends in the right video."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from random_mix import Mix, round_of

SECS = float(os.environ.get("FAULTS_SECS", "120"))


def _script(seed: int) -> list[str]:
    return [round_of(seed, number).recorder() for number in range(20)]


def test_a_seed_is_a_script() -> None:
    assert _script(7) == _script(7)
    assert _script(7) != _script(8)


def test_a_mix_that_is_stopped_tells_what_it_came_to() -> None:
    command = [sys.executable, str(Path(__file__).with_name("random_mix.py")), "--seed", "7"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as random_mix:
        assert random_mix.stdout is not None
        assert random_mix.stdout.readline() == "seed 7\n"
        random_mix.send_signal(signal.SIGINT)
        recorder = random_mix.stdout.read()
        assert random_mix.wait() == 130
    assert "stopped in round 0" in recorder
    assert "injected  survived" in recorder
    assert "seed 7: 0 renders" in recorder


def test_the_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("FAULTS_SEED", secrets.randbelow(1 << 31)))
    tally = Mix(seed, tmp_path).run(SECS)
    with capsys.disabled():
        print(f"\n{tally.table()}")
    assert tally.failures == [], f"again with FAULTS_SEED={seed}"
    assert tally.survived == tally.injected
    assert tally.injected.total() > 0
