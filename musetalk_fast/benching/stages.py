"""Times every stage by itself, then all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av

from musetalk_fast.benching.scene import CROPS, FPS, Scene, make_scene
from musetalk_fast.config import Settings
from musetalk_fast.kernels.base64 import decode_into
from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.planning.crew import processors
from musetalk_fast.types import CropEncoding
from musetalk_fast.video.encoders import EncoderSettings
from musetalk_fast.wire import binary, ndjson
from musetalk_fast.wire.crops import CropReader
from musetalk_fast.wire.messages import Frame

_STAGE_SECS = 0.1
_ENCODER_SECS = 1.5
_BATCHES = 5
_FEWEST_FRAMES, _MOST_FRAMES = 25, 250


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage takes.

    Attributes:
        name: of the stage.
        us: microseconds a frame, of one thread.
        mb_s: megabytes (10^6 bytes) of its input a second.
        share: of the whole frame's time; None for what the default road does not pass by itself.
    """

    name: str
    us: float
    mb_s: float
    share: float | None


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured.

    Attributes:
        given: size, box and crops, in words.
        encoder: its name and options, in words.
        threads: encoders at work at a time, one thread each.
        stages: from the bytes of a crop to packets.
        fps: frames a second of all encoders together.
    """

    given: str
    encoder: str
    threads: int
    stages: tuple[Stage, ...]
    fps: float


def run_bench(avatar: Path | None, settings: Settings) -> Bench:
    """Measure every stage; a few seconds.

    Args:
        avatar: a picture with a face; None: a made-up one of 1920x1080, or of the resolution.
        settings: encoder, preset, quality and resolution.

    Raises:
        errors.InputError: the avatar cannot be used.
        errors.EncoderError: the encoder does not open here.
    """
    scene = make_scene(avatar, settings)
    road = _Road(scene)
    whole = _encoder_us(road.frame_to_packets, road.flush)
    stages = tuple(
        Stage(name, us, size / us, us / whole if passed else None)
        for name, us, size, passed in _measured(scene, whole)
    )
    threads = processors()
    return Bench(scene.words, _encoder_words(scene.encoder), threads, stages, _fps(scene, threads))


def _measured(scene: Scene, whole: float) -> list[tuple[str, float, int, bool]]:
    """Name, microseconds, bytes in, and whether the default road passes it."""
    raw, reader = scene.frame(0, CropEncoding.RAW), CropReader()
    line, message = ndjson.encode(raw), binary.encode(raw)
    text = ndjson.Decoder().feed(line)[0]
    assert isinstance(text, Frame)
    parse_line, parse_message = ndjson.Decoder().feed, binary.Decoder().feed
    compositor, crop = scene.compositor(), reader.read(raw)
    out, size = bytearray(len(raw.data)), len(raw.data)
    files = {encoding: scene.frame(0, encoding) for encoding in CropEncoding}
    jpeg, png = files[CropEncoding.JPEG], files[CropEncoding.PNG]
    alone = _Road(scene)
    short: list[tuple[str, Callable[[], object], int, bool]] = [
        ("base64 decode", lambda: decode_into(text.data, out), len(text.data), False),
        ("parse NDJSON", lambda: parse_line(line), len(line), False),
        ("checksum", lambda: crc32c(message), len(message), False),
        ("decode JPEG", lambda: reader.read(jpeg), len(jpeg.data), False),
        ("decode PNG", lambda: reader.read(png), len(png.data), False),
        ("parse binary", lambda: parse_message(message), len(message), True),
        ("paste", lambda: compositor.compose(crop, raw.rows.first, 0), size, True),
    ]
    rows = [(name, _median_us(work), bytes_, on) for name, work, bytes_, on in short]
    planes = sum(plane.buffer_size for plane in alone.shown.planes)
    rows.append(("encode", _encoder_us(alone.encode, alone.flush), planes, True))
    return [*rows, ("whole frame", whole, len(message), True)]


class _Road:
    """One thread's way from received bytes to packets, over and over."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        frames = [scene.frame(number, CropEncoding.RAW) for number in range(CROPS)]
        self._messages = [binary.encode(frame) for frame in frames]
        self._feed = binary.Decoder().feed
        self._reader = CropReader()
        self._compositor = scene.compositor()
        self._open()
        self.shown = self._compose()
        self._ready: list[av.VideoFrame] = []

    def frame_to_packets(self) -> None:
        """Parse, paste and encode."""
        self.shown = self._compose()
        self._count += 1
        self._context.encode(self.shown)

    def encode(self) -> None:
        """Encode a frame that lies ready."""
        if not self._ready:
            self._ready = [
                self._scene.compositor().compose(crop, 0, 0) for crop in self._scene.crops
            ]
        frame = self._ready[self._count % CROPS]
        frame.pts = self._count
        self._count += 1
        self._context.encode(frame)

    def flush(self) -> None:
        """Encode what the encoder holds back, and begin anew."""
        self._context.encode(None)
        self._open()

    def _compose(self) -> av.VideoFrame:
        (frame,) = self._feed(self._messages[self._count % CROPS])
        assert isinstance(frame, Frame)
        crop = self._reader.read(frame)
        return self._compositor.compose(crop, frame.rows.first, self._count)

    def _open(self) -> None:
        encoder, (height, width) = self._scene.encoder, self._scene.picture.shape[:2]
        context = av.CodecContext.create(encoder.codec, "w")
        assert isinstance(context, av.VideoCodecContext)
        encoder.configure(context, width, height, FPS)
        self._context, self._count = context, 0


def _median_us(work: Callable[[], object]) -> float:
    """Microseconds of one call: the median of a few batches."""
    work()
    times = []
    for _ in range(_BATCHES):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < _STAGE_SECS / _BATCHES:
            work()
            count += 1
        times.append((time.perf_counter() - began) / count * 1e6)
    return statistics.median(times)


def _encoder_us(work: Callable[[], object], flush: Callable[[], object]) -> float:
    """Microseconds of one call, what the encoder does later included."""
    began = time.perf_counter()
    frames = _encoded(work, flush, began)
    return (time.perf_counter() - began) / frames * 1e6


def _encoded(work: Callable[[], object], flush: Callable[[], object], began: float) -> int:
    """Frames that went through an encoder in a second or two."""
    count = 0
    while count < _FEWEST_FRAMES or (
        count < _MOST_FRAMES and time.perf_counter() - began < _ENCODER_SECS
    ):
        work()
        count += 1
    flush()
    return count


def _fps(scene: Scene, threads: int) -> float:
    """Frames a second of so many roads side by side."""
    roads = [_Road(scene) for _ in range(threads)]
    began = time.perf_counter()

    def work(road: _Road) -> int:
        return _encoded(road.frame_to_packets, road.flush, began)

    with ThreadPoolExecutor(threads) as pool:
        frames = sum(pool.map(work, roads))
    return frames / (time.perf_counter() - began)


def _encoder_words(encoder: EncoderSettings) -> str:
    options = " ".join(f"{name}={value}" for name, value in encoder.options.items())
    return f"{encoder.codec} {options}"
