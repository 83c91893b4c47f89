"""Kills a render -9 at random moments, runs it again each time, and prints what that costs.

ci/kill.py [--kills 100] [--seed 1]

Nine kills in ten are of renders with a server beside them, of which it is seen that nothing is
asked for twice; one in ten is of a render with the built-in server, which must not outlive it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/faults")]

from killing import Cost, Killing, started  # noqa: E402
from proxy import proxied  # noqa: E402
from workload import Workload, pictures, served  # noqa: E402

COST_RUNS = 5


def main() -> int:
    """Kill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    own = max(1, asked.kills // 10)
    with tempfile.TemporaryDirectory(prefix="kill-") as name:
        folder = Path(name)
        _emit("a server beside", _beside(folder, asked.kills - own, chance))
        _emit("built-in server", _builtin(folder, own, chance))
        _cost(folder)
    return 0


def _beside(folder: Path, kills: int, chance: random.Random) -> Cost:
    workload = Workload(folder / "beside", 8.0).write()
    with served(crop_secs=0.01) as (server,), proxied(server.address) as proxy:
        right = _right(workload, proxy.url)
        return Killing(workload, folder / "out.mp4", proxy.url, right, chance, proxy).run(kills)


def _builtin(folder: Path, kills: int, chance: random.Random) -> Cost:
    workload = Workload(folder / "builtin", 4.0).write()
    shutil.copy(ROOT / "examples/portrait.png", workload.avatar)
    right = _right(workload, "builtin")
    return Killing(workload, folder / "out.mp4", "builtin", right, chance).run(kills)


def _right(workload: Workload, url: str) -> list[str]:
    output = workload.folder / "right.mp4"
    asyncio.run(workload.render(output, url))
    return pictures(output)


def _cost(folder: Path) -> None:
    """The wall time of a render killed when half of it was done, and run again."""
    workload = Workload(folder / "cost", 40.0).write()
    output = folder / "cost.mp4"
    with served(crop_secs=0.01) as (server,):
        arguments = workload.arguments(output, server.address)
        pairs = [(_timed(arguments, output), _killed(arguments, output, workload.frames // 2))
                 for _ in range(COST_RUNS)]  # fmt: skip
    undisturbed, killed = (median(each) for each in zip(*pairs, strict=True))
    print(
        f"one kill -9 at half of {workload.frames} frames, median of {COST_RUNS}: "
        f"{killed:.2f} s against {undisturbed:.2f} s undisturbed: "
        f"+{killed - undisturbed:.2f} s, {killed / undisturbed:.3f} times"
    )


def _timed(arguments: list[str], output: Path) -> float:
    began = time.monotonic()
    with started(arguments) as process:
        process.communicate(timeout=120)
        assert process.returncode == 0
    output.unlink()
    return time.monotonic() - began


def _killed(arguments: list[str], output: Path, frames: int) -> float:
    began = time.monotonic()
    with started(arguments) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event.get("stage") == "encode" and event["done"] >= frames:
                break
        process.kill()
        process.wait()
    return time.monotonic() - began + _timed(arguments, output)


def _emit(name: str, cost: Cost) -> None:
    print(
        f"{name}: {cost.kills} kills in {cost.runs} runs, {cost.videos} videos finished and right, "
        f"{cost.parts_kept} times a finished part outlived a kill, none was made again",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
