"""A random mix of faults for some time: every render ends in the right video."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest
from mix import Mix, round_of

SECS = float(os.environ.get("FAULTS_SECS", "120"))


def _script(seed: int) -> list[str]:
    return [round_of(seed, number).told() for number in range(20)]


def test_a_seed_is_a_script() -> None:
    assert _script(7) == _script(7)
    assert _script(7) != _script(8)


def test_the_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("FAULTS_SEED", secrets.randbelow(1 << 31)))
    tally = Mix(seed, tmp_path).run(SECS)
    with capsys.disabled():
        print(f"\n{tally.table()}")
    assert tally.failures == [], f"again with FAULTS_SEED={seed}"
    assert tally.survived == tally.injected
    assert tally.injected.total() > 0
