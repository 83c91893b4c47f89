"""A random mix of faults: every render ends in the right video (ci/soak.sh goes on for hours)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from random_mix import Mix, round_of

SEED = 58
ROUNDS = 6
"""Of the same script each time; each kind of blow to a process falls in them."""


def _script(seed: int) -> list[str]:
    return [round_of(seed, number).recorder() for number in range(20)]


def test_a_seed_is_a_script() -> None:
    assert _script(7) == _script(7)
    assert _script(7) != _script(8)


def test_a_mix_that_is_stopped_reports_its_results() -> None:
    command = [sys.executable, str(Path(__file__).with_name("random_mix.py")), "--seed", "7"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as random_mix:
        assert random_mix.stdout is not None
        assert random_mix.stdout.readline() == "seed 7\n"
        random_mix.send_signal(signal.SIGINT)
        recorder = random_mix.stdout.read()
        assert random_mix.wait() == 130
    stopped = re.search(r"stopped in round (\d+)", recorder)
    assert stopped is not None, recorder
    assert "injected  survived" in recorder
    assert f"seed 7: {stopped[1]} renders" in recorder


@pytest.mark.long
def test_the_mix(tmp_path: Path) -> None:
    blows = {blow.kind for number in range(ROUNDS) for blow in round_of(SEED, number).blows}
    assert len(blows) == 4
    tally = Mix(SEED, tmp_path).run(rounds=ROUNDS)
    print(tally.table())
    assert tally.failures == []
    assert tally.rounds == ROUNDS
    assert tally.survived == tally.injected
    assert tally.injected.total() > ROUNDS
