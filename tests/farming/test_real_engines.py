"""The engines themselves, on loopback: Ray with kills, Slurm's daemons. Each takes minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CI = Path(__file__).parents[2] / "ci"


@pytest.mark.long
@pytest.mark.parametrize("script", ["ray_cluster.py", "slurm.py"])
def test_videos_are_those_of_a_local_run_whatever_is_killed(script: str) -> None:
    done = subprocess.run([sys.executable, CI / script], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
