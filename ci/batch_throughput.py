"""How fast a batch of many short clips goes: against a paced server, and against its encoders.

ci/batch_throughput.py [--jobs 200] [--secs 2] [--pace 100] [--servers 1] [--size 1280x720]
    [--only paced|free]

paced: frames a second of the whole batch, from its start to its last video, as a share of what the
servers make together; small pictures, so that nothing else is the limit. A machine that is busy
with other work keeps no pace: the same servers are asked by a client that only reads, before and
after, and the share of that is shown beside the share of the pace. With several servers each has
its part of the pace, and frames made more than once are counted.
free: a server whose crops are ready, and the encoder alone with the same frames, as many encoders
and one thread each, in this same process, before and after. Shares of the wall time say how much of
the encoders' rate is reached on this machine, on which the server runs, too; shares of the CPU time
what the client itself adds. With all rows encoded in every frame (`full`) each clip of 2 s adds
some 0.16 s of CPU to the encoder's 0.35: its sound is encoded, too, and it is checked, recorded and
shown in the report. Exit code 1 below 0.95 of what the servers make to the client that only reads,
or, with the rows that are encoded by default, below 0.9 of the encoders.
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
sys.path[:0] = [str(ROOT / "tests/server")]

import server_process  # noqa: E402
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
from musetalk_fast.tasks import run_all  # noqa: E402
from musetalk_fast.types import StillRowsMode  # noqa: E402

FPS = 25
OF_PACE, OF_ENCODERS = 0.95, 0.9
_READ_SHARE = 8
"""Of the batch's frames, that the client that only reads asks for each time."""


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
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--only", choices=["paced", "free"])
    asked = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory(prefix="batch-") as name:
        if asked.only != "free":
            good = _paced(Path(name) / "paced", asked.jobs, asked.secs, asked.pace, asked.servers)
        if asked.only != "paced":
            width, height = map(int, asked.size.split("x"))
            good &= _free(Path(name) / "free", asked.jobs, asked.secs, (width, height))
    return 0 if good else 1


def _paced(folder: Path, jobs: int, secs: float, pace: float, count: int) -> bool:
    folder.mkdir()
    workload = Workload(folder, secs).write()
    frames = jobs * round(secs * FPS)
    with served(count, throughput=pace / count) as servers:
        urls = [server.address for server in servers]
        settings = workload.settings(*urls, segment_secs=10.0)
        before = _read_rate(urls, frames // _READ_SHARE)
        made = _made(urls)
        spent = _batch([*_jobs(folder, workload.avatar, jobs, secs, settings)])
        made = _made(urls) - made
        after = _read_rate(urls, frames // _READ_SHARE)
    rate, alone = frames / spent.wall, (before + after) / 2
    print(
        f"paced, {count} servers: {jobs} clips of {secs:g} s: {rate / pace:.3f} of {pace:g}", end=""
    )
    print(
        f" frames a second, {rate / alone:.3f} of the {alone:.1f} that are made for a client",
        end="",
    )
    print(f" that only reads; {spent.cpu / spent.wall:.2f} processors; {made} frames for {frames}")
    return rate / alone >= OF_PACE


def _read_rate(urls: list[str], frames: int) -> float:
    """Frames a second that the servers make together for a client that only reads."""
    began = time.monotonic()
    asyncio.run(run_all(*(_read(url, frames // len(urls)) for url in urls)))
    return frames / (time.monotonic() - began)


async def _read(url: str, frames: int) -> None:
    """Two streams, so that the server is never idle between them."""
    async with server_process.client_of(url) as client:
        body = await client.frames_body(0, frames // 2, audio=server_process.speech(frames / FPS))
        await run_all(*(_drop(client, body) for _ in range(2)))


async def _drop(client: server_process.Client, body: object) -> None:
    async with client.post("/v1/frames", body) as response:
        assert response.status == 200
        async for _ in response.content.iter_any():
            pass


def _made(urls: list[str]) -> int:
    return sum(asyncio.run(_frames_made(url)) for url in urls)


async def _frames_made(url: str) -> int:
    async with (
        server_process.client_of(url) as client,
        client.session.get(f"{client.base}/metrics") as response,
    ):
        lines = (await response.text()).splitlines()
    return sum(
        int(float(line.split()[-1])) for line in lines if line.startswith("musetalk_frames_total")
    )


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
            good &= mode is StillRowsMode.FULL or wall >= OF_ENCODERS
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
