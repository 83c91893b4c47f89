"""How fast a batch of many short clips goes: against a paced server, and against its encoders.

ci/batch_throughput.py [--jobs 200] [--secs 2] [--pace 100] [--size 1280x720] [--only paced|free]

paced: frames a second of the whole batch, as a share of what the server makes; small pictures, so
that nothing else is the limit.
free: a server whose crops are ready, and the encoder alone with the same frames, as many encoders
and one thread each, in this same process, before and after. Shares of the wall time say how much of
the encoders' rate is reached on this machine, on which the server runs, too; shares of the CPU time
what the client itself adds. Exit code 1 below 0.95 of the pace or 0.9 of the encoders.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/faults"), str(ROOT / "tests/batching")]

from recorder import Recorder  # noqa: E402
from workload import Workload, served  # noqa: E402

from benches.replay.content import make_workload  # noqa: E402
from benches.replay.encoder_alone import compose_all, encode, setup_of  # noqa: E402
from benches.replay.process import replaying  # noqa: E402
from benches.replay.workload import load_workload  # noqa: E402
from musetalk_fast.batching import FinishedVideos, Job, ReportFolder, render_all  # noqa: E402
from musetalk_fast.config import (  # noqa: E402
    AvatarSettings,
    OutputSettings,
    ServerSettings,
    Settings,
)
from musetalk_fast.planning import Segment  # noqa: E402
from musetalk_fast.planning.concurrency import processors  # noqa: E402
from musetalk_fast.types import StillRowsMode  # noqa: E402

FPS = 25
OF_PACE, OF_ENCODERS = 0.95, 0.9


class Spent(NamedTuple):
    """Seconds of wall and of this process's CPU time."""

    wall: float
    cpu: float


def main() -> int:
    """Measure and print; whether all is well, as an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--secs", type=float, default=2.0)
    parser.add_argument("--pace", type=float, default=100.0)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--only", choices=["paced", "free"])
    asked = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory(prefix="batch-") as name:
        if asked.only != "free":
            good = _paced(Path(name) / "paced", asked.jobs, asked.secs, asked.pace)
        if asked.only != "paced":
            width, height = map(int, asked.size.split("x"))
            good &= _free(Path(name) / "free", asked.jobs, asked.secs, (width, height))
    return 0 if good else 1


def _paced(folder: Path, jobs: int, secs: float, pace: float) -> bool:
    folder.mkdir()
    workload = Workload(folder, secs).write()
    with served(1, throughput=pace) as (server,):
        settings = workload.settings(server.address, segment_secs=10.0)
        spent = _batch([*_jobs(folder, workload.avatar, jobs, secs, settings)])
    share = jobs * round(secs * FPS) / spent.wall / pace
    print(f"paced: {jobs} clips of {secs:g} s: {share:.3f} of {pace:g} frames a second", end="")
    print(f", with {spent.cpu / spent.wall:.2f} processors")
    return share >= OF_PACE


def _free(folder: Path, jobs: int, secs: float, size: tuple[int, int]) -> bool:
    make_workload(folder, *size, side=size[1] // 2)
    alone = _alone(folder, jobs, secs)
    with replaying(folder) as url:
        before, good = _timed(alone), True
        for mode in (StillRowsMode.FULL, StillRowsMode.AUTO):
            settings = Settings(
                server=ServerSettings(url=url),
                avatar=AvatarSettings(face_check=False),
                output=OutputSettings(still_rows=mode),
            )
            made = folder / mode.value
            made.mkdir()
            spent = _batch([*_jobs(made, folder / "avatar.png", jobs, secs, settings)])
            after = _timed(alone)
            wall, cpu = (
                (one + other) / 2 / mine
                for one, other, mine in zip(before, after, spent, strict=True)
            )
            print(
                f"free, rows {mode.value}: {jobs} clips of {secs:g} s: {wall:.3f} of the ", end=""
            )
            print(f"encoders' rate, {cpu:.3f} by CPU time ({spent.cpu:.1f} s)")
            good &= mode is StillRowsMode.AUTO or wall >= OF_ENCODERS
            before = after
    return good


def _alone(folder: Path, jobs: int, secs: float) -> Callable[[], object]:
    """The encoders, each clip in one of its own."""
    frames, workload, count = round(secs * FPS), load_workload(folder), processors()
    encoder = replace(setup_of(workload, frames).encoder, threads=1)
    sets = [compose_all(workload, encoder, 64) for _ in range(count)]

    def clip(_number: int) -> int:
        ready = sets.pop()
        try:
            return sum(1 for _ in encode(Segment(0, 0, frames), encoder, ready))
        finally:
            sets.append(ready)

    def run() -> object:
        with ThreadPoolExecutor(count) as threads:
            return sum(threads.map(clip, range(jobs)))

    return run


def _timed(work: Callable[[], object]) -> Spent:
    with _spending() as spent:
        work()
    return spent[0]


def _batch(jobs: list[Job]) -> Spent:
    folder = ReportFolder(jobs[0].output.parent)
    recorder = Recorder(jobs, folder)
    with _spending() as spent:
        asyncio.run(render_all(jobs, recorder, FinishedVideos({})))
        recorder.close()
    assert set(recorder.states.values()) == {"done"}, recorder.outcomes
    return spent[0]


@contextmanager
def _spending() -> Iterator[list[Spent]]:
    spent: list[Spent] = []
    began, cpu = time.monotonic(), time.process_time()
    yield spent
    spent.append(Spent(time.monotonic() - began, time.process_time() - cpu))


def _jobs(folder: Path, avatar: Path, jobs: int, secs: float, settings: Settings) -> Iterator[Job]:
    """Each with a recording of its own."""
    rng = np.random.default_rng(1)
    for number in range(jobs):
        audio = folder / f"{number:04}.wav"
        with wave.open(str(audio), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(16_000)
            noise = rng.integers(-9000, 9000, round(secs * 16_000)).astype("<i2")
            sound.writeframes(noise.tobytes())
        yield Job(audio.stem, avatar, audio, folder / "out" / f"{audio.stem}.mp4", settings)


if __name__ == "__main__":
    sys.exit(main())
