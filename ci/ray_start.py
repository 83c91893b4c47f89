"""`ray start`, which waits longer for a node on a busy machine than Ray's own 30 seconds.

ci/ray_start.py [ray start's options]
"""

from __future__ import annotations

import sys
import time
from typing import Any

from ray._private import services
from ray.scripts.scripts import cli

PATIENCE_SECS = 300

_get_node = services.get_node


def _get_node_patiently(*arguments: Any) -> Any:
    deadline = time.monotonic() + PATIENCE_SECS
    while True:
        try:
            return _get_node(*arguments)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


if __name__ == "__main__":
    services.get_node = _get_node_patiently
    cli(["start", *sys.argv[1:]])
