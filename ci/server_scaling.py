"""Renders with 1 to 6 servers, each paced to 40 frames a second; prints frames a second reached.

ci/server_scaling.py [--most 6] [--secs 60]

Small pictures, so that the encoder is not the limit. Frames a second are those of the entire time
in which frames are made, from the first request to the last part. Exit code 1 if a render reaches
less than 0.95 of what its servers make though the client does not use up its processors.
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

from scaling import THROUGHPUT, Measured, reached, usable_processors  # noqa: E402
from workload import Workload, served  # noqa: E402


def main() -> int:
    """Measure and print; whether all is well, as an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=6)
    parser.add_argument("--secs", type=float, default=60.0)
    asked = parser.parse_args()
    print("servers  frames/s  of what they make  cpu of the client")
    faults = []
    with (
        tempfile.TemporaryDirectory(prefix="scaling-") as name,
        served(asked.most, throughput=THROUGHPUT) as servers,
    ):
        for count in range(1, asked.most + 1):
            urls = [server.address for server in servers[:count]]
            row = _measure(Path(name), asked.secs * count, urls)
            print(f"{count:7}  {row.fps:8.1f}  {row.share:18.3f}  {row.cpu:17.2f}", flush=True)
            faults.append(row.fault(usable_processors()))
    reported = [fault for fault in faults if fault]
    print("\n".join(reported or ["every render kept up, or the client used up its processors"]))
    return 1 if reported else 0


def _measure(folder: Path, secs: float, urls: list[str]) -> Measured:
    workload = Workload(folder, secs).write()
    began = time.process_time()
    fps, wall = asyncio.run(reached(workload, folder / "out.mp4", urls, segment_secs=5.0))
    return Measured(len(urls), fps, (time.process_time() - began) / wall)


if __name__ == "__main__":
    sys.exit(main())
