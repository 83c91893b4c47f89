"""The whole program against a server in another process that has every answer ready.

CPU time is the system's word on the process. The cost of a frame is marginal: what a long run
takes beyond a short one, by the frames between them. A quarter of an hour on two cores; leave
it out with `-k "not program"`.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import av
import numpy as np
import pytest

from benches.conftest import spread
from benches.replay.encoder_alone import compose_all, encode, work_of
from benches.replay.process import Spent, module, peak_kb, replaying, spent
from benches.replay.scene import CROPS, Scene, make_scene

LOOK = ("--crf", "20", "--preset", "veryfast", "--audio", "none")
COMPARED = 20
"""Frames."""
MB = 1024
MOST_BEYOND_MB = 150
NEEDED = ("numpy", "av", "aiohttp", "uvloop", "orjson", "click", "ai_edge_litert.interpreter")
NEVER = {"numba", "torch", "cv2", "PIL", "scipy", "rich", "simplejpeg", "soxr"}
HEAVY = {name.partition(".")[0] for name in NEEDED} | NEVER


class Stage(NamedTuple):
    """A scene and the server that plays it."""

    scene: Scene
    url: str

    def render(self, frames: int, *options: str, null: bool = False) -> Spent:
        return module(*self.command(frames, *options, null=null))

    def command(self, frames: int, *options: str, null: bool = False) -> list[str | Path]:
        out = self.scene.folder / "out.mp4"
        flags = ["--null-encoder"] if null else []
        return [
            *("ours", *flags, "render", "-s", self.url, "-i", self.scene.avatar),
            *("-a", self.scene.speech(frames), "-o", out, *LOOK, *(options or ("-q",))),
        ]

    def alone(self, frames: int, *options: str) -> Spent:
        return module("encoder_alone", self.scene.folder, str(frames), *options)

    def plain(self, frames: int, *options: str) -> Spent:
        return module("plain_client", self.url, self.scene.folder, str(frames), *options)


def _stage(folder: Path, width: int, height: int, side: int) -> Iterator[Stage]:
    scene = make_scene(folder, width, height, side)
    with replaying(folder) as url:
        yield Stage(scene, url)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from _stage(tmp_path_factory.mktemp("full"), 1920, 1080, 430)


@pytest.fixture(scope="module")
def ndjson(full: Stage) -> Iterator[Stage]:
    with replaying(full.scene.folder, "--ndjson") as url:
        yield Stage(full.scene, url)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from _stage(tmp_path_factory.mktemp("small"), 512, 512, 256)


def _marginal(run: Callable[[int], Spent], short: int, long: int) -> float:
    """Microseconds of CPU a frame."""
    return (run(long).cpu - run(short).cpu) / (long - short) * 1e6


def _assert_same_video(stage: Stage, frames: int) -> None:
    """What a render shows is what its encoder makes of the frames in memory, bit for bit."""
    stage.render(frames)
    work = work_of(stage.scene, frames)
    packets = encode(work.segments[0], work.encoder, compose_all(stage.scene, work.encoder, CROPS))
    decoder = av.CodecContext.create("h264", "r")
    theirs = (frame for packet in packets for frame in decoder.decode(packet))
    with av.open(str(stage.scene.folder / "out.mp4")) as video:
        assert video.streams.video[0].frames == frames
        for own, other in islice(zip(video.decode(video=0), theirs, strict=False), COMPARED):
            np.testing.assert_array_equal(own.to_ndarray(), other.to_ndarray())


class Case(NamedTuple):
    """A row whose rival is the encoder alone; the short run has a segment for each encoder."""

    name: str
    given: str
    stage: str
    short: int
    long: int
    rounds: int


CASES = [
    Case("program/1080p-binary", "1920x1080, box 430, raw window, binary", "full", 500, 2500, 5),
    Case("program/1080p-ndjson", "1920x1080, box 430, raw window, NDJSON", "ndjson", 500, 2500, 5),
    Case("program/512-binary", "512x512, box 256, raw window, binary", "small", 500, 4500, 7),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_beside_the_encoder(
    case: Case, request: pytest.FixtureRequest, record: Callable[..., None]
) -> None:
    stage: Stage = request.getfixturevalue(case.stage)
    _assert_same_video(stage, case.short)
    own, other = [], []
    for _ in range(case.rounds):
        own.append(_marginal(stage.render, case.short, case.long))
        other.append(_marginal(stage.alone, case.short, case.long))
    _add(record, case.name, f"{case.given}, veryfast, CRF 20; CPU", own, "the encoder alone", other)


def test_outside_the_encoder(full: Stage, record: Callable[..., None]) -> None:
    """A null encoder on our side, none on theirs."""

    def null(frames: int) -> Spent:
        return full.render(frames, null=True)

    def by_files(frames: int) -> Spent:
        return full.plain(frames, "--png")

    own, plain, png = [], [], []
    for _ in range(3):
        own.append(_marginal(null, 1000, 6000))
        plain.append(_marginal(full.plain, 50, 450))
        png.append(_marginal(by_files, 25, 125))
    given = "1920x1080, box 430; CPU outside the encoder"
    rival = "aiohttp, json, base64, OpenCV, PyAV from_ndarray"
    _add(record, "program/plain-client", given, own, rival, plain)
    _add(record, "program/png-road", given, own, "the same, frames through PNG files", png)


def test_wall_time_of_80_seconds(full: Stage, record: Callable[..., None]) -> None:
    """Start-up is in ours, not in theirs."""
    own, other = [], []
    for _ in range(3):
        own.append(full.render(2000).wall / 2000 * 1e6)
        other.append(float(full.alone(2000, "--threads", "auto").stdout) / 2000 * 1e6)
    given = "2000 frames of 1920x1080; wall time with start-up"
    _add(record, "program/wall-80s", given, own, "one encoder, threads=auto, from memory", other)


def test_wall_time_of_5_seconds(full: Stage, record: Callable[..., None]) -> None:
    own, other = [], []
    for _ in range(7):
        events = full.render(125, "--json").stdout.splitlines()
        stages = json.loads(events[-1])["stages"]
        own.append((stages["generate"] + stages["join"]) / 125 * 1e6)
        other.append(float(full.alone(125, "--threads", "auto").stdout) / 125 * 1e6)
    given = "125 frames of 1920x1080; wall time from the first request to the file"
    _add(record, "program/wall-5s", given, own, "one encoder, threads=auto, from memory", other)


def test_start(record: Callable[..., None]) -> None:
    command = Path(sys.executable).with_name("musetalk-fast")
    own, other = [], []
    for _ in range(25):
        own.append(spent(command, "--version").cpu * 1e6)
        other.append(spent(sys.executable, "-c", "import click").cpu * 1e6)
    _add(record, "program/start", "musetalk-fast --version; CPU", own, "import click", other)


def test_memory(full: Stage, record: Callable[..., None]) -> None:
    """The length is proved with a null encoder: half an hour of x264 would take as long again."""
    long, short = (
        [float(peak_kb(*full.command(frames, null=True))) for _ in range(3)]
        for frames in (45_000, 250)
    )
    given = "peak memory in kB (not us): 30 min of 1920x1080, null encoder, one processor"
    _add(record, "program/memory", given, long, "the same, 10 s", short)
    whole = peak_kb(*full.command(1000))
    beyond = whole - peak_kb("encoder_alone", full.scene.folder, "1000", "--kept", "1")
    print(f"\n{whole / MB:.0f} MB, {beyond / MB:.0f} MB beyond the encoders alone")
    assert beyond <= MOST_BEYOND_MB * MB


def test_first_request(small: Stage, tmp_path: Path, record: Callable[..., None]) -> None:
    """From the start of the process to the first request for frames, at a server that is warm."""
    small.render(25)
    modules = tmp_path / "modules.json"
    own, other = [], []
    for _ in range(7):
        _asked(small.url)
        run = module(
            *("ours", "--modules", modules, "render", "-q", "-s", small.url),
            *("-i", small.scene.avatar, "-a", small.scene.speech(25), *LOOK),
            *("-o", small.scene.folder / "out.mp4"),
        )
        own.append((_asked(small.url) - run.began) * 1e6)
        other.append(spent(sys.executable, "-c", f"import {', '.join(NEEDED)}").wall * 1e6)
    given = "512x512, 25 frames, warm server; wall time to the first request"
    _add(record, "program/first-request", given, own, "importing what it needs", other)
    loaded = {name.partition(".")[0] for name in json.loads(modules.read_text())}
    assert not loaded & NEVER
    print("\n", " ".join(sorted(loaded & HEAVY)))


def _asked(url: str) -> float:
    """When frames were asked for first, by `time.monotonic`; 0 for never."""
    with urllib.request.urlopen(f"{url}/asked") as answer:
        return json.load(answer) or 0.0


def _add(
    record: Callable[..., None],
    name: str,
    given: str,
    own: list[float],
    rival: str,
    others: list[float],
) -> None:
    rounds = " ".join(f"{other / ours:.2f}" for ours, other in zip(own, others, strict=False))
    print(f"\n{name}: {rounds}")
    record(
        name=name,
        input=given,
        ours_us=median(own),
        rival=rival,
        rival_us=median(others),
        spread=spread(own, others),
    )
