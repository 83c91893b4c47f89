"""Renders with 1 to 6 servers, each paced to 40 frames a second; prints frames a second reached.

ci/scaling.py [--most 6] [--secs 60]

Small pictures, so that the encoder is not the limit. Frames a second are those of the whole time
in which frames are made, from the first request to the last part.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/faults")]

from scaling import PACE, reached  # noqa: E402
from scene import Scene, served  # noqa: E402


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=6)
    parser.add_argument("--secs", type=float, default=60.0)
    asked = parser.parse_args()
    print("servers  frames/s  of what they make  cpu of the client")
    with (
        tempfile.TemporaryDirectory(prefix="scaling-") as name,
        served(asked.most, pace=PACE) as servers,
    ):
        folder = Path(name)
        for count in range(1, asked.most + 1):
            scene = Scene(folder, asked.secs * count).write()
            urls = [server.address for server in servers[:count]]
            began = time.process_time()
            fps, wall = asyncio.run(reached(scene, folder / "out.mp4", urls, segment_secs=5.0))
            cpu = (time.process_time() - began) / wall
            print(f"{count:7}  {fps:8.1f}  {fps / (PACE * count):18.3f}  {cpu:17.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
