"""The programs that measure the networks run to their end, on tiny ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "ci/musetalk" / script, "--tiny", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_row_of_a_gpu_is_measured_or_says_why(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    output = run(
        *("measure.py", "--device", "cpu", "--ways", "eager", "graph", "--repeats", "1"),
        *("--batches", "1", "2", "--plain-batches", "2", "--json", str(report)),
    )
    rows = {row.pop("what"): row for row in json.loads(report.read_text())["rows"]}
    assert rows["plain loop, batch 2"]["ratio"] == 1
    for name in ("engine, eager, batch 1", "engine, eager, batch 2", "draft, eager, batch 2"):
        assert rows[name]["crops_a_second"] > 0
    missing = {name for name, row in rows.items() if "missing" in row}
    assert missing == {name for name in rows if "graph" in name}
    assert all(name in output for name in rows)


def test_ways_of_a_cpu_are_compared() -> None:
    output = run("cpu.py", "--rounds", "1")
    assert output.count("CPU s a crop") == 4
