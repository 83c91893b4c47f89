"""Servers add up: all work at the same time. How fast that is measures ci/server_scaling.py."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import injectors
import pytest
from injectors import FRAMES
from proxy import proxied
from scaling import THROUGHPUT, Measured, reached
from workload import Right, Server, Workload, pictures


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_all_servers_work_at_once(
    count: int, workload: Workload, server: Server, right: Right, tmp_path: Path
) -> None:
    """None sends a frame before all have been asked for some."""
    with ExitStack() as stack:
        proxies = [stack.enter_context(proxied(server.address)) for _ in range(count)]

        def all_work() -> bool:
            return all(each.frames_asked() for each in proxies)

        for each in proxies:
            each.inject(FRAMES, injectors.held(all_work), times=100)
        fps, secs = await reached(workload, tmp_path / "out.mp4", [each.url for each in proxies])
        assert all_work()
    assert fps > 0
    assert workload.frames / fps <= secs
    assert pictures(tmp_path / "out.mp4") == await right(workload)


def test_a_render_that_falls_behind_is_at_fault_unless_its_processors_are() -> None:
    assert Measured(3, 0.96 * 3 * THROUGHPUT, 0.5).fault(4) is None
    assert Measured(3, 0.94 * 3 * THROUGHPUT, 3.7).fault(4) is None
    fault = Measured(3, 0.94 * 3 * THROUGHPUT, 3.5).fault(4)
    assert fault is not None
    assert "3 servers: 112.8 frames/s are 0.940 of 120" in fault
    assert "3.50 of 4 processors" in fault
