"""Several machines working on one plan over a shared directory: doubled, killed, with faults."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import injectors
import pytest
from injectors import FRAMES
from killing import started
from proxy import proxied
from workload import PROGRAM, Right, Server, Workload, environment, parts_of, pictures, served


@pytest.fixture(scope="module")
def steady() -> Iterator[Server]:
    """A server that takes its time: 100 frames a second."""
    with served(crop_secs=0.01) as (server,):
        yield server


@pytest.fixture
def plan(workload: Workload, tmp_path: Path) -> Path:
    """A plan of four segments."""
    _done(*workload.arguments(tmp_path / "out.mp4", command="plan"))
    return tmp_path / "out.mp4.parts/plan.json"


def _done(*command: str) -> None:
    found = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=90)
    assert found.returncode == 0, found.stdout + found.stderr


def _segment(plan: Path, url: str, *numbers: str) -> list[str]:
    chosen = ["--segments", ",".join(numbers)] if numbers else []
    return [*PROGRAM, "segment", "--json", "-s", url, str(plan), *chosen]


@pytest.mark.long
async def test_two_machines_do_the_same_segments(
    workload: Workload, plan: Path, steady: Server, right: Right
) -> None:
    output = plan.parents[1] / "out.mp4"
    command = _segment(plan, steady.address)
    with started(command) as one, started(command) as two:
        for each in (one, two):
            each.communicate(timeout=60)
            assert each.returncode == 0
    assert len(parts_of(output)) == 4
    await asyncio.to_thread(_done, *PROGRAM, "join", str(plan))
    assert pictures(output) == await right(workload)


async def test_a_machine_is_killed_and_another_goes_on(
    workload: Workload, plan: Path, steady: Server, right: Right
) -> None:
    output = plan.parents[1] / "out.mp4"
    with started(_segment(plan, steady.address)) as killed:
        assert killed.stdout is not None
        for line in killed.stdout:
            if json.loads(line)["event"] == "segment":
                break
        killed.kill()
        killed.wait()
    kept = parts_of(output)
    assert kept
    await asyncio.to_thread(_done, *_segment(plan, steady.address, "2-3"))
    await asyncio.to_thread(_done, *_segment(plan, steady.address, "0-1"))
    after = parts_of(output)
    assert {name: after[name] for name in kept} == kept
    await asyncio.to_thread(_done, *PROGRAM, "join", str(plan))
    assert pictures(output) == await right(workload)
    assert not plan.parent.exists(), "what the killed one had begun is gone, too"


@pytest.mark.long
async def test_their_streams_have_faults(
    workload: Workload, plan: Path, server: Server, right: Right
) -> None:
    output = plan.parents[1] / "out.mp4"
    with proxied(server.address) as proxy:
        for fault in (injectors.cut(5), injectors.flip(2, 0.5), injectors.refuse(503, 0.1)):
            proxy.inject(FRAMES, fault)
        await asyncio.to_thread(_done, *_segment(plan, proxy.url, "0-1"))
        assert len(proxy.struck()) == 3
    await asyncio.to_thread(_done, *_segment(plan, server.address, "2-3"))
    await asyncio.to_thread(_done, *PROGRAM, "join", str(plan))
    assert pictures(output) == await right(workload)
