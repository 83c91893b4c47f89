"""The client is killed, stopped, run twice, run again: parts are kept and never mixed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import injectors
import pytest
from injectors import FRAMES
from killing import Killing, children, started
from proxy import Proxy, proxied
from workload import (
    EventRecorder,
    Right,
    Server,
    Workload,
    environment,
    parts_of,
    pictures,
    served,
    unfinished,
)

import musetalk_fast
from musetalk_fast import errors
from musetalk_fast.events import SegmentEvent

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def steady() -> Iterator[Server]:
    """A server that takes its time: 100 frames a second."""
    with served(crop_secs=0.01) as (server,):
        yield server


def _command(arguments: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, env=environment(**variables), capture_output=True, text=True, timeout=180
    )


@pytest.mark.long
async def test_eight_kills(
    workload: Workload, steady: Server, right: Right, tmp_path: Path
) -> None:
    with proxied(steady.address) as proxy:
        chance = random.Random(1)
        killing = Killing(
            workload, tmp_path / "out.mp4", proxy.url, await right(workload), chance, proxy
        )
        cost = killing.run(8)
    assert cost.parts_kept > 0
    print(cost)


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc for children")
async def test_killed_with_a_server_of_its_own(tmp_path: Path) -> None:
    workload = Workload(tmp_path, 4.0).write()
    shutil.copy(REPOSITORY / "examples/portrait.png", workload.avatar)
    (tmp_path / "right").mkdir()
    await workload.render(tmp_path / "right/out.mp4", "builtin")
    right = pictures(tmp_path / "right/out.mp4")
    Killing(workload, tmp_path / "out.mp4", "builtin", right, random.Random(2)).run(2)


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc for children")
async def test_its_own_server_is_killed(tmp_path: Path) -> None:
    workload = Workload(tmp_path, 6.0).write()
    shutil.copy(REPOSITORY / "examples/portrait.png", workload.avatar)
    with started(workload.arguments(tmp_path / "out.mp4", "builtin")) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "segment":
                break
        (own,) = children(process.pid)
        os.kill(own, signal.SIGKILL)
        recorder, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    assert "trying again" in recorder
    assert len(pictures(tmp_path / "out.mp4")) == workload.frames


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
async def test_a_signal_keeps_parts(
    number: int, code: int, workload: Workload, steady: Server, right: Right, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    with started(workload.arguments(output, steady.address)) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "segment":
                break
        process.send_signal(number)
        assert process.wait(60) == code
    kept = parts_of(output)
    assert kept
    assert unfinished(tmp_path) == []
    recorder = await workload.render(output, steady.address)
    assert recorder.segments(reused=True) == [int(name[:8]) for name in sorted(kept)]
    assert pictures(output) == await right(workload)


@pytest.mark.long
async def test_two_renders_on_one_output(steady: Server, right: Right, tmp_path: Path) -> None:
    """The first stands still in the middle of its work when the second comes."""
    output = tmp_path / "out.mp4"
    workload = Workload(tmp_path / "long", 6.0).write()
    arguments = workload.arguments(output, steady.address)
    with started(arguments) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if json.loads(line)["event"] == "segment":
                break
        first.send_signal(signal.SIGSTOP)
        second = _command(arguments)
        assert second.returncode == 75
        assert json.loads(second.stdout.splitlines()[-1])["token"] == "MTF-OUTPUT-BUSY"
        assert first.poll() is None, "the first had to be still running"
        kept = parts_of(output)
        first.kill()
        first.wait()
    # Its lock has died with it.
    recorder = await workload.render(output, steady.address)
    assert {int(name[:8]) for name in kept} <= set(recorder.segments(reused=True))
    assert pictures(output) == await right(workload)


async def _interrupted(workload: Workload, proxy: Proxy, output: Path) -> dict[str, int]:
    """Parts of a render whose server was lost."""
    proxy.inject(FRAMES, injectors.Fault("nothing"), times=2)
    proxy.inject(FRAMES, injectors.refuse(401), times=1000)
    with pytest.raises(errors.NotAuthorisedError):
        await workload.render(output, proxy.url)
    proxy.heal()
    proxy.asked.clear()
    kept = parts_of(output)
    assert kept
    return kept


async def test_parts_of_another_plan_are_archived(
    workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    kept = await _interrupted(workload, proxy, output)
    other = Workload(tmp_path / "other", 3.0).write()
    archived: dict[Path, set[str]] = {}

    def look(_event: SegmentEvent) -> None:
        for folder in tmp_path.glob("out.mp4.parts.*"):
            archived[folder] = {path.name for path in folder.iterdir()}

    recorder = await other.render(output, proxy.url, recorder=EventRecorder(on_part=look))
    assert pictures(output) == (await right(workload))[:75]
    assert recorder.segments(reused=True) == []
    (warning,) = recorder.warnings
    ((folder, there),) = archived.items()
    assert f" {folder} until out.mp4 is finished" in warning
    assert there == {*kept, "plan.json", "faces.bin"}
    assert not folder.exists()


async def test_faces_of_another_avatar_do_not_stay(
    workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    """A render that was killed before its first part leaves faces behind."""
    output = tmp_path / "out.mp4"
    folder = tmp_path / "out.mp4.parts"
    await _interrupted(workload, proxy, output)
    for part in folder.glob("*.mp4"):
        part.unlink()
    with served(shift=4) as (server,):
        assert (folder / "faces.bin").exists()
        await Workload(tmp_path / "other", 1.0).write().render(output, server.address)


async def test_damaged_faces_are_established_again(
    workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    faces = tmp_path / "out.mp4.parts/faces.bin"
    await _interrupted(workload, proxy, output)
    original = faces.read_bytes()
    faces.write_bytes(original[:-7])
    await _interrupted(workload, proxy, output)
    assert faces.read_bytes() == original
    recorder = await workload.render(output, proxy.url)
    assert recorder.segments(reused=True)
    assert pictures(output) == await right(workload)


async def test_fresh_starts_over(
    workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    await _interrupted(workload, proxy, output)
    recorder = await workload.render(output, proxy.url, fresh=True)
    assert recorder.segments(reused=True) == []
    assert sorted(recorder.segments(reused=False)) == [0, 1, 2, 3]
    assert pictures(output) == await right(workload)


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "of another segment"])
async def test_a_damaged_part_is_made_again(
    damage: str, workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    kept = sorted(await _interrupted(workload, proxy, output))
    victim = tmp_path / "out.mp4.parts" / kept[0]
    content = victim.read_bytes()
    if damage == "truncated":
        victim.write_bytes(content[: len(content) * 2 // 3])
    elif damage == "emptied":
        victim.write_bytes(b"")
    elif damage == "flipped":
        place = content.index(b"moov") + 60
        victim.write_bytes(content[:place] + bytes(64) + content[place + 64 :])
    else:
        (tmp_path / "out.mp4.parts/00000003.mp4").unlink(missing_ok=True)
        shutil.copy(victim, tmp_path / "out.mp4.parts/00000003.mp4")
    recorder = await workload.render(output, proxy.url)
    again = 3 if damage == "of another segment" else 0
    assert again in recorder.segments(reused=False)
    assert pictures(output) == await right(workload)


async def test_what_a_crash_left_is_removed(
    workload: Workload, proxy: Proxy, right: Right, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    kept = await _interrupted(workload, proxy, output)
    half = tmp_path / "out.mp4.parts/00000002.mp4.0badcafe.tmp"
    half.write_bytes(b"half a part")
    recorder = EventRecorder(on_part=lambda _event: left.append(half.exists()))
    left: list[bool] = []
    await workload.render(output, proxy.url, recorder=recorder)
    assert set(left) == {False}
    assert len(recorder.segments(reused=True)) == len(kept)
    assert pictures(output) == await right(workload)


JUMPS = """
import random, time
_real, _chance = time.time, random.Random(5)
time.time = lambda: _real() + _chance.uniform(-40_000_000, 40_000_000)
time.time_ns = lambda: int(time.time() * 1e9)
"""


async def test_the_clock_on_the_wall_jumps(
    workload: Workload, steady: Server, right: Right, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(JUMPS)
    command = [*workload.arguments(tmp_path / "out.mp4", steady.address)]
    assert _jumps(tmp_path / "site", command[0])
    done = _command(command, PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert pictures(tmp_path / "out.mp4") == await right(workload)


def _jumps(site: Path, python: str) -> bool:
    program = "import time; a = time.time(); print(abs(time.time() - a) > 10)"
    return "True" in _command([python, "-c", program], PYTHONPATH=str(site)).stdout


@pytest.mark.parametrize("package", ["client", "planning", "rendering", "server", "video", "wire"])
def test_no_package_reads_the_wall_clock(package: str) -> None:
    files = [*(Path(musetalk_fast.__file__).parent / package).rglob("*.py")]
    assert files
    for path in files:
        text = path.read_text()
        for word in ("time.time(", "time.strftime", "import datetime", "from datetime"):
            assert word not in text, f"{path} has {word}"
