"""The judges of the benches: what is slower or below its bar, and what is only noise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benches.bars import in_words, is_missed

SCRIPT = Path(__file__).parents[1] / "ci" / "compare_rows.py"
QUIET = [10.0, 10.1, 9.9, 10.0, 10.0]


def _run(folder: Path, then: list[float], now: list[float]) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, str(SCRIPT)]
    for side, times in (("then", then), ("now", now)):
        arguments.append(f"--{side}")
        for number, ours in enumerate(times):
            path = folder / f"{side}.{number}.json"
            path.write_text(
                json.dumps(
                    [
                        {"name": f"kernel/{side}", "ours_us": 1, "rival_us": 1},
                        {"name": "kernel/x", "ours_us": ours, "rival_us": 20},
                    ]
                )
            )
            arguments.append(str(path))
    return subprocess.run(arguments, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (QUIET, 0),
        ([time * 1.09 for time in QUIET], 0),
        ([time * 1.13 for time in QUIET], 1),
        ([time * 0.5 for time in QUIET], 0),
        ([8.0, 15.0, 11.3, 14.0, 9.0], 0),
        ([18.0, 25.0, 21.3, 24.0, 19.0], 1),
    ],
)
def test_fails_beyond_limit_and_noise(now: list[float], code: int, tmp_path: Path) -> None:
    said = _run(tmp_path, QUIET, now)
    assert said.returncode == code, said.stderr
    assert ("SLOWER" in said.stdout) == bool(code)


def test_rows_of_one_side_are_named(tmp_path: Path) -> None:
    said = _run(tmp_path, QUIET, QUIET).stdout
    assert "only then" in said
    assert "only now" in said


@pytest.mark.parametrize(
    ("ratio", "spread", "words"),
    [
        (1.5, 0.0, "bar 1.5 ok"),
        (1.45, 0.05, "bar 1.5 below, within the spread"),
        (1.4, 0.05, "bar 1.5 MISSED"),
    ],
)
def test_a_bar_is_missed_beyond_the_spread(ratio: float, spread: float, words: str) -> None:
    assert in_words("kernel/paste-430-resize", ratio, spread) == words
    assert is_missed("kernel/paste-430-resize", ratio, spread) == ("MISSED" in words)
    assert in_words("kernel/x", ratio, spread) == "no bar"


@pytest.mark.long
@pytest.mark.parametrize("full", [False, True])
def test_only_a_full_run_is_kept_and_judged(full: bool, tmp_path: Path) -> None:
    table = tmp_path / "rows.json"
    options = ["--bars", "--rows", str(table)] if full else []
    command = [sys.executable, "-m", "pytest", "benches/test_kernel_crc32c.py", *options]
    # Not a worker of ours: pytest-benchmark would refuse to measure.
    alone = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    run = subprocess.run(command, cwd=SCRIPT.parents[1], env=alone, capture_output=True, text=True)
    assert run.returncode == int(full), run.stdout + run.stderr
    assert "kernel/crc32c-113664" in run.stdout
    assert table.exists() == full
    assert ("kernel/paste-430: not measured" in run.stdout) == full
