"""Answers to POST /infer that are cut or damaged end in the same video."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from injectors import flip
from proxy import Act, Fault, Piece, Proxy
from workload import EventRecorder, Server, Workload, parts_of, pictures

from musetalk_fast.errors import ServerError

pytestmark = pytest.mark.usefixtures("quick")

INFER = "/infer"


@pytest.fixture(scope="module")
def right(
    server: Server, workload: Workload, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """The frames of a fault-free render."""
    output = tmp_path_factory.mktemp("right") / "right.mp4"
    asyncio.run(workload.render(output, server.address, wire="infer"))
    found = pictures(output)
    assert len(set(found)) == workload.frames
    return found


def _cut(share: float, act: Act) -> Fault:
    """The response, one JSON document, stops behind a share of its bytes."""

    def change(_at: int, answer: bytes) -> Iterable[Piece]:
        return [answer[: int(share * len(answer))] or b"{", act]

    return Fault(f"{act.value} after {share:g} of the response", lambda: change)


async def _survives(
    workload: Workload, proxy: Proxy, right: list[str], folder: Path, faults: list[Fault]
) -> EventRecorder:
    proxy.asked.clear()
    for fault in faults:
        proxy.inject(INFER, fault)
    output = folder / "out.mp4"
    retries = len(faults) + 1
    recorder = await workload.render(
        output, proxy.url, wire="infer", timeout_secs=2.0, max_retries=retries
    )
    assert pictures(output) == right[: workload.frames]
    assert proxy.struck() == [fault.name for fault in faults]
    made = sorted(recorder.segments(reused=False))
    assert made == list(range(round(workload.secs))), "a part was made again"
    assert not output.with_name("out.mp4.parts").exists()
    return recorder


async def test_nothing_is_asked_for_twice(
    workload: Workload, proxy: Proxy, right: list[str], tmp_path: Path
) -> None:
    """Not even while the last frames are in the encoder."""
    await _survives(workload, proxy, right, tmp_path, [])
    assert [asked.path for asked in proxy.asked].count(INFER) == 1


@pytest.mark.parametrize("act", [Act.CUT, Act.RESET, Act.END], ids=["closed", "reset", "ended"])
async def test_the_end_of_a_connection(
    act: Act, workload: Workload, proxy: Proxy, right: list[str], tmp_path: Path
) -> None:
    faults = [_cut(share, act) for share in (0.0, 0.1, 0.4, 0.7, 0.999999)]
    await _survives(workload, proxy, right, tmp_path, faults)


async def test_flipped_bits(
    short: Workload, proxy: Proxy, right: list[str], tmp_path: Path
) -> None:
    """In the pictures each is noticed; before them there are names that are not read."""
    chance = random.Random(3)
    for place in (0, 3, 9, 20):
        await _survives(short, proxy, right, tmp_path, [flip(0, place, chance.randrange(8))])
    for step in range(12):
        fault = flip(0, chance.uniform(step + 0.2, step + 0.9) / 12, chance.randrange(8))
        recorder = await _survives(short, proxy, right, tmp_path, [fault])
        assert len(recorder.warnings) == 1


async def test_finished_parts_are_reused_after_a_cut(
    workload: Workload, proxy: Proxy, right: list[str], tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    proxy.inject(INFER, _cut(0.7, Act.CUT))
    with pytest.raises(ServerError):
        await workload.render(output, proxy.url, wire="infer", max_retries=0)
    kept = parts_of(output)
    assert {"00000000.mp4", "00000001.mp4"} <= set(kept)
    recorder = await workload.render(output, proxy.url, wire="infer")
    assert len(recorder.segments(reused=True)) == len(kept)
    assert sorted(recorder.segments(reused=True) + recorder.segments(reused=False)) == [0, 1, 2, 3]
    assert pictures(output) == right
