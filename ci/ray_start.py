"""`ray start`, which gives a node's agents longer to start than Ray's own 30 seconds.

ci/ray_start.py [ray start's options]
"""

from __future__ import annotations

import inspect
import sys
import time
from typing import Any

from ray._private import services
from ray._raylet import DASHBOARD_AGENT_LISTEN_PORT_NAME, persist_port
from ray.scripts.scripts import cli

PATIENCE_SECS = 300

_get_node, _start_raylet = services.get_node, services.start_raylet


def _get_node_patiently(*arguments: Any) -> Any:
    deadline = time.monotonic() + PATIENCE_SECS
    while True:
        try:
            return _get_node(*arguments)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def _start_raylet_at_once(*arguments: Any, **named: Any) -> Any:
    """It waits for the file in which an agent names its port: the one that it is given."""
    given = inspect.signature(_start_raylet).bind(*arguments, **named).arguments
    port = given["dashboard_agent_listen_port"]
    persist_port(given["session_dir"], given["node_id"], DASHBOARD_AGENT_LISTEN_PORT_NAME, port)
    return _start_raylet(*arguments, **named)


if __name__ == "__main__":
    services.get_node, services.start_raylet = _get_node_patiently, _start_raylet_at_once
    cli(["start", *sys.argv[1:]])
