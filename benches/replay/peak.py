"""Runs a program of this folder and reports its peak memory.

    python -m benches.replay.peak FILE NAME ARGUMENTS

Asked of the process itself: the system's word to its parent (`ru_maxrss`) begins with the memory
that the parent had.
"""

from __future__ import annotations

import atexit
import re
import runpy
import sys
from pathlib import Path


def _emit(path: Path) -> None:
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    path.write_text(found[1])


if __name__ == "__main__":
    atexit.register(_emit, Path(sys.argv[1]))
    name = sys.argv[2]
    sys.argv[1:3] = []
    runpy.run_module(f"benches.replay.{name}", run_name="__main__", alter_sys=True)
