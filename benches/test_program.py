"""The program against a server in another process that has every response ready.

CPU time is the system's word on the process. The cost of a frame is marginal: what a long run
takes beyond a short one, by the frames between them. Ours and the encoder alone run in slices of
half a second, each stopped while the other runs: other work on the machine meets both alike. They
have two processors, the server any. Some 20 minutes on two cores; leave it out with
`-k "not program"`.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple, Protocol

import av
import numpy as np
import pytest

from benches.conftest import spread
from benches.replay.content import make_workload
from benches.replay.encoder_alone import compose_all, encode, setup_of
from benches.replay.process import (
    CPUS,
    Spent,
    module,
    peak_kb,
    program,
    replaying,
    side_by_side,
    spent,
)
from benches.replay.workload import CROPS, Workload

LOOK = ("--crf", "20", "--preset", "veryfast", "--sound", "none", "--still-rows", "full")
"""All rows with every frame, as the rivals have it; `test_still_rows` measures the default."""
COMPARED = 20
"""Frames."""
MAX_LEVELS, MAX_MEAN_LEVELS = 3, 0.6
"""By which the naive client's samples differ from ours: both round in steps of their own."""
ON = f"{CPUS} CPUs"
MB = 1024
MAX_BEYOND_MB = 150
NEEDED = (
    "numpy",
    "av",
    "aiohttp",
    "uvloop",
    "orjson",
    "click",
    "PIL.Image",
    "ai_edge_litert.interpreter",
)
NEVER = {"numba", "torch", "cv2", "scipy", "simplejpeg", "soxr"}
HEAVY = {name.partition(".")[0] for name in NEEDED} | NEVER


class Add(Protocol):
    """Adds a row from the figures of its rounds, and notes the ratios of these."""

    def __call__(
        self, name: str, given: str, own: list[float], rival: str, others: list[float]
    ) -> None: ...


@pytest.fixture
def add(add_row: Callable[..., None], note: Callable[[str], None]) -> Add:
    def row(name: str, given: str, own: list[float], rival: str, others: list[float]) -> None:
        ratios = (other / ours for ours, other in zip(own, others, strict=True))
        note(f"{name}, round by round: {' '.join(f'{ratio:.2f}' for ratio in ratios)}")
        add_row(
            name=name,
            input=given,
            ours_us=median(own),
            rival=rival,
            rival_us=median(others),
            spread=spread(own, others),
        )

    return row


class Stage(NamedTuple):
    """A workload and the server that replays it."""

    workload: Workload
    url: str

    def render(self, frames: int, *options: str, null: bool = False) -> Spent:
        """A render, which has made so many frames."""
        run = module(*self.command(frames, *options, null=null))
        self.assert_frames(frames)
        return run

    def beside_alone(self, frames: int, *options: str) -> tuple[Spent, Spent]:
        """A render and the encoder alone, side by side.

        Args:
            options: of the encoder alone.
        """
        alone = program("encoder_alone", self.workload.folder, str(frames), *options)
        own, other = side_by_side(program(*self.command(frames)), alone)
        self.assert_frames(frames)
        return own, other

    def command(self, frames: int, *options: str, null: bool = False) -> tuple[str | Path, ...]:
        out = self.workload.folder / "out.mp4"
        flags = ["--null-encoder"] if null else []
        return (
            *("ours", *flags, "render", "-s", self.url, "-i", self.workload.avatar),
            *("-a", self.workload.speech(frames), "-o", out, *LOOK, *(options or ("-q",))),
        )

    def naive(self, frames: int, *options: str | Path) -> Spent:
        return module("naive_client", self.url, self.workload.folder, str(frames), *options)

    def assert_frames(self, frames: int) -> None:
        """The last video has so many."""
        with av.open(str(self.workload.folder / "out.mp4")) as video:
            assert video.streams.video[0].frames == frames


def _stage(folder: Path, width: int, height: int, side: int) -> Iterator[Stage]:
    workload = make_workload(folder, width, height, side)
    with replaying(folder) as url:
        yield Stage(workload, url)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from _stage(tmp_path_factory.mktemp("full"), 1920, 1080, 430)


@pytest.fixture(scope="module")
def ndjson(full: Stage) -> Iterator[Stage]:
    with replaying(full.workload.folder, "--ndjson") as url:
        yield Stage(full.workload, url)


@pytest.fixture(scope="module")
def unix(small: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    path = tmp_path_factory.mktemp("unix") / "socket"
    with replaying(small.workload.folder, "--unix", str(path)) as url:
        yield Stage(small.workload, url)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from _stage(tmp_path_factory.mktemp("small"), 512, 512, 256)


def _marginal(run: Callable[[int], Spent], short: int, long: int) -> float:
    """Microseconds of CPU a frame."""
    return (run(long).cpu - run(short).cpu) / (long - short) * 1e6


def _assert_same_video(stage: Stage, frames: int) -> None:
    """What a render shows is what its encoder makes of the frames in memory, bit for bit."""
    stage.render(frames)
    setup = setup_of(stage.workload, frames)
    packets = encode(
        setup.segments[0], setup.encoder, compose_all(stage.workload, setup.encoder, CROPS)
    )
    decoder = av.CodecContext.create("h264", "r")
    theirs = (frame for packet in packets for frame in decoder.decode(packet))
    with av.open(str(stage.workload.folder / "out.mp4")) as video:
        pairs = list(zip(_first(video.decode(video=0)), _first(theirs), strict=True))
    assert len(pairs) == COMPARED
    for own, other in pairs:
        np.testing.assert_array_equal(own, other)


def _first(frames: Iterator[av.VideoFrame]) -> list[np.ndarray]:
    return [frame.to_ndarray() for frame in islice(frames, COMPARED)]


def _assert_same_picture(stage: Stage, kept: Path, *options: str) -> None:
    """The naive client's last frame is nearly ours, which `_assert_same_video` holds."""
    stage.naive(COMPARED, "--keep", kept, *options)
    ours = compose_all(stage.workload, setup_of(stage.workload, COMPARED).encoder, COMPARED)[-1]
    difference = np.abs(np.load(kept).astype(int) - ours.to_ndarray())
    assert difference.max() <= MAX_LEVELS
    assert difference.mean() < MAX_MEAN_LEVELS


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
    Case("program/512-unix", "512x512, box 256, raw window, Unix socket", "unix", 500, 4500, 3),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_beside_the_encoder(case: Case, request: pytest.FixtureRequest, add: Add) -> None:
    stage: Stage = request.getfixturevalue(case.stage)
    _assert_same_video(stage, case.short)
    own, other = [], []
    for _ in range(case.rounds):
        pairs = zip(stage.beside_alone(case.short), stage.beside_alone(case.long), strict=True)
        ours, theirs = ((long.cpu - short.cpu) / (case.long - case.short) for short, long in pairs)
        own.append(ours * 1e6)
        other.append(theirs * 1e6)
    given = f"{case.given}, veryfast, CRF 20; CPU, {ON}"
    add(case.name, given, own, "the encoder alone", other)


class Outside(NamedTuple):
    """A row of what is outside the encoder: short and long runs of ours and theirs."""

    name: str
    ours: tuple[int, int]
    theirs: tuple[int, int]
    options: tuple[str, ...]
    rival: str


NAIVE = "aiohttp, json, base64, OpenCV, PyAV from_ndarray"
OUTSIDE = [
    Outside("program/naive-client", (1000, 6000), (50, 450), (), NAIVE),
    Outside(
        "program/png-files", (1000, 6000), (25, 125), ("--png",), f"{NAIVE}, through PNG files"
    ),
]


@pytest.mark.parametrize("case", OUTSIDE, ids=lambda case: case.name)
def test_outside_the_encoder(
    case: Outside, full: Stage, add: Add, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """A null encoder on our side, none on theirs."""
    _assert_same_video(full, 250)
    _assert_same_picture(full, tmp_path / "planes.npy", *case.options)
    part, rounds = (5, 1) if pytestconfig.getoption("brief") else (1, 3)

    def null(frames: int) -> Spent:
        return full.render(frames, null=True)

    def theirs(frames: int) -> Spent:
        return full.naive(frames, *case.options)

    own, other = [], []
    for _ in range(rounds):
        own.append(_marginal(null, case.ours[0], case.ours[1] // part))
        other.append(_marginal(theirs, case.theirs[0], case.theirs[1] // part))
    given = f"1920x1080, box 430; CPU outside the encoder, {ON}"
    add(case.name, given, own, case.rival, other)


def _encoding_secs(alone: Spent) -> float:
    """Of the encoder alone, without its start-up."""
    return alone.ran(*map(float, alone.stdout.split()))


def test_wall_time_of_80_seconds(full: Stage, add: Add) -> None:
    """Start-up is in ours, not in theirs."""
    own, other = [], []
    for _ in range(3):
        ours, alone = full.beside_alone(2000, "--threads", "auto")
        own.append(ours.wall / 2000 * 1e6)
        other.append(_encoding_secs(alone) / 2000 * 1e6)
    given = f"2000 frames of 1920x1080; wall time with start-up, {ON}"
    add("program/wall-80s", given, own, "one encoder, threads=auto, from memory", other)


def test_wall_time_of_5_seconds(full: Stage, add: Add) -> None:
    own, other = [], []
    for _ in range(7):
        events = full.render(125, "--json").stdout.splitlines()
        stages = json.loads(events[-1])["stages"]
        own.append((stages["generate"] + stages["join"]) / 125 * 1e6)
        alone = module("encoder_alone", full.workload.folder, "125", "--threads", "auto")
        other.append(_encoding_secs(alone) / 125 * 1e6)
    given = f"125 frames of 1920x1080; wall time from the first request to the file, {ON}"
    add("program/wall-5s", given, own, "one encoder, threads=auto, from memory", other)


def test_start(add: Add) -> None:
    command = Path(sys.executable).with_name("musetalk-fast")
    own, other = [], []
    for _ in range(25):
        own.append(spent(command, "--version").cpu * 1e6)
        other.append(spent(sys.executable, "-c", "import click").cpu * 1e6)
    add("program/start", f"musetalk-fast --version; CPU, {ON}", own, "import click", other)


def test_memory(full: Stage, add: Add) -> None:
    """The length is proved with a null encoder: half an hour of x264 would take as long again.

    One processor: so a short and a long render have as many encoders.
    """

    def peak(frames: int) -> float:
        kb = peak_kb(*full.command(frames, null=True), cpus=1)
        full.assert_frames(frames)
        return float(kb)

    long, short = ([peak(frames) for _ in range(3)] for frames in (45_000, 250))
    given = "peak memory in kB (not us): 30 min of 1920x1080, null encoder, 1 CPU"
    add("program/memory", given, long, "the same, 10 s", short)


def test_memory_beyond_the_encoders(full: Stage, add: Add, note: Callable[[str], None]) -> None:
    frames = 1000
    encoders = setup_of(full.workload, frames).encoders
    assert encoders == CPUS
    own, other = [], []
    for _ in range(3):
        own.append(float(peak_kb(*full.command(frames))))
        full.assert_frames(frames)
        other.append(
            float(peak_kb("encoder_alone", full.workload.folder, str(frames), "--kept", "1"))
        )
    given = f"peak memory in kB (not us): {frames} frames of 1920x1080, {encoders} encoders, {ON}"
    add("program/memory-beyond", given, own, "the encoders alone, a frame for each", other)
    beyond = median(ours - theirs for ours, theirs in zip(own, other, strict=True))
    note(f"{beyond / MB:.0f} MB beyond the encoders alone; at most {MAX_BEYOND_MB}")
    assert beyond <= MAX_BEYOND_MB * MB


def test_first_request(small: Stage, tmp_path: Path, add: Add, note: Callable[[str], None]) -> None:
    """From the start of the process to the first request for frames, at a server that is warm."""
    small.render(25)
    modules = tmp_path / "modules.json"
    own, other = [], []
    for _ in range(7):
        _asked(small.url)
        run = module(
            *("ours", "--modules", modules, "render", "-q", "-s", small.url),
            *("-i", small.workload.avatar, "-a", small.workload.speech(25), *LOOK),
            *("-o", small.workload.folder / "out.mp4"),
        )
        own.append((_asked(small.url) - run.began) * 1e6)
        other.append(spent(sys.executable, "-c", f"import {', '.join(NEEDED)}").wall * 1e6)
    small.assert_frames(25)
    given = f"512x512, 25 frames, warm server; wall time to the first request, {ON}"
    add("program/first-request", given, own, "importing what it needs", other)
    loaded = {name.partition(".")[0] for name in json.loads(modules.read_text())}
    note(f"a render has loaded, of what is large: {' '.join(sorted(loaded & HEAVY))}")
    assert not loaded & NEVER


def _asked(url: str) -> float:
    """When frames were asked for first, by `time.monotonic`; 0 for never."""
    with urllib.request.urlopen(f"{url}/asked") as answer:
        return json.load(answer) or 0.0
