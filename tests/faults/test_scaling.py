"""Servers add up: k of them make nearly k times the frames of one (ci/scaling.py has the table)."""

from __future__ import annotations

from pathlib import Path

import pytest
from scaling import PACE, Measured, reached
from workload import Workload, served

SHARE = 0.8
"""Of what the servers make; more in longer renders, where the last segments weigh less."""


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_servers_add_up(count: int, tmp_path: Path) -> None:
    workload = Workload(tmp_path / "scene", 5.0 * count).write()
    with served(count, throughput=PACE) as servers:
        urls = [server.address for server in servers]
        best = 0.0
        for _ in range(3):  # other programs may be at work on this machine
            fps, _ = await reached(workload, tmp_path / "out.mp4", urls)
            best = max(best, fps / (count * PACE))
            if best >= SHARE:
                break
    assert best >= SHARE


def test_a_render_that_falls_behind_is_at_fault_unless_its_processors_are() -> None:
    assert Measured(3, 0.96 * 3 * PACE, 0.5).fault(4) is None
    assert Measured(3, 0.94 * 3 * PACE, 3.7).fault(4) is None
    fault = Measured(3, 0.94 * 3 * PACE, 3.5).fault(4)
    assert fault is not None
    assert "3 servers: 112.8 frames/s are 0.940 of 120" in fault
    assert "3.50 of 4 processors" in fault
