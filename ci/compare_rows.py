"""Compare ratio tables (`build/bench.json`) of two revisions, run in turn on one machine.

What is compared is our time as a share of the rival's, which is the same code on both sides and so
a clock that goes slower when the machine does. Exit code 1: a row takes over 10 % longer and that
is beyond the noise. Noise is the distance of the quartiles of a revision's own runs, as a share of
their median; the larger one of the two counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

LIMIT = 0.10

Shares = dict[str, list[float]]
"""Our time as a share of the rival's by row name, one of each run."""


def read(paths: list[Path]) -> Shares:
    shares: Shares = {}
    for path in paths:
        for row in json.loads(path.read_text()):
            shares.setdefault(row["name"], []).append(row["ours_us"] / row["rival_us"])
    return shares


def noise(runs: list[float]) -> float:
    if len(runs) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(runs, n=4)
    return (high - low) / middle


def slower(then: list[float], now: list[float]) -> tuple[float, float]:
    """How much longer `now` takes than `then`, as a share, and the noise."""
    change = statistics.median(now) / statistics.median(then) - 1
    return change, max(noise(then), noise(now))


def compare(then: Shares, now: Shares) -> bool:
    """Print the table; True if nothing got slower."""
    fine = True
    print(f"{'row':28} {'then':>10} {'now':>10} {'change':>8} {'noise':>7}")
    for name in sorted({*then, *now}):
        if name not in then or name not in now:
            print(f"{name:28} only {'now' if name in now else 'then'}")
            continue
        change, own = slower(then[name], now[name])
        failed = change > max(LIMIT, own)
        fine = fine and not failed
        print(
            f"{name:28} {statistics.median(then[name]):10.4f} {statistics.median(now[name]):10.4f} "
            f"{change:+8.1%} {own:7.1%}{'  SLOWER' if failed else ''}"
        )
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(description="compare ratio tables of two revisions")
    for side in ("then", "now"):
        parser.add_argument(f"--{side}", nargs="+", type=Path, required=True)
    given = parser.parse_args()
    return 0 if compare(read(given.then), read(given.now)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
