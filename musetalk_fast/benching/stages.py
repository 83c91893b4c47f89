"""Times every stage by itself, then all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from musetalk_fast.benching.moving_avatar import moving_stages
from musetalk_fast.benching.pipeline import last_stages, pipeline_us, pipelines_fps
from musetalk_fast.benching.receiving import receive_us
from musetalk_fast.benching.workload import Workload, concurrency, make_workload
from musetalk_fast.config import Settings
from musetalk_fast.kernels.base64 import decode_into
from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.storage import temporary_folder
from musetalk_fast.types import CropEncoding
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.wire import binary, ndjson
from musetalk_fast.wire.crop_codec import CropReader
from musetalk_fast.wire.media_types import STREAM_WIRES
from musetalk_fast.wire.messages import Frame

_STAGE_SECS = 0.1
_BATCHES = 5


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage takes.

    Attributes:
        name: of the stage.
        us: microseconds a frame, of one thread.
        mb_s: megabytes (10^6 bytes) of its input a second.
        share: of the entire frame's time; None for what the default pipeline does not use, or what
            is part of another stage.
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
        encoders: running concurrently, as in a long render.
        threads: of each.
        stages: from the bytes of a crop to a part; the last is the entire frame.
        fps: frames a second of all encoders together.
    """

    given: str
    encoder: str
    encoders: int
    threads: int
    stages: tuple[Stage, ...]
    fps: float


def run_bench(avatar: Path | None, settings: Settings) -> Bench:
    """Measure every stage; a few seconds. What is written goes to a temporary folder.

    Args:
        avatar: a picture or a video with a face; None: a made-up picture of 1920x1080, or of the
            resolution.
        settings: encoder, preset, quality and resolution.

    Raises:
        errors.InputError: the avatar cannot be used.
        errors.EncoderError: the encoder does not open here, or not as often as a render would.
        errors.OutputWriteError: the temporary folder cannot be written.
    """
    workload = make_workload(avatar, settings)
    encoders, threads = concurrency(workload.planned)
    with temporary_folder() as folder:
        measured = [*_short(workload), *_pipeline(workload, folder)]
        fps = pipelines_fps(workload, encoders, folder)
    total = measured[-1][1]
    stages = tuple(
        Stage(name, us, size / us, us / total if passed else None)
        for name, us, size, passed in measured
    )
    words = _encoder_words(workload.planned)
    return Bench(workload.words, words, encoders, threads, stages, fps)


_Measured = tuple[str, float, float, bool]
"""Name, microseconds, bytes in, and whether it is one of the default pipeline's stages."""


def _short(workload: Workload) -> list[_Measured]:
    """What is done on request only, or inside another stage."""
    raw, reader = workload.frame(0, CropEncoding.RAW), CropReader()
    message, (text,) = binary.encode(raw), ndjson.Decoder().feed(ndjson.encode(raw))
    assert isinstance(text, Frame)
    out = bytearray(len(raw.data))
    jpeg, png = (workload.frame(0, encoding) for encoding in (CropEncoding.JPEG, CropEncoding.PNG))
    cases: list[tuple[str, Callable[[], object], int]] = [
        ("base64 decode", lambda: decode_into(text.data, out), len(text.data)),
        ("checksum", lambda: crc32c(message), len(message)),
        ("decode JPEG", lambda: reader.read(jpeg), len(jpeg.data)),
        ("decode PNG", lambda: reader.read(png), len(png.data)),
    ]
    for wire in STREAM_WIRES:
        codec = wire.codec()
        encoded = codec.encode(raw)
        cases.append((f"parse {wire.name}", partial(codec.Decoder().feed, encoded), len(encoded)))
    return [(name, _median_us(call), size, False) for name, call, size in cases]


def _pipeline(workload: Workload, folder: Path) -> list[_Measured]:
    """The stages that a raw crop on the best wire passes, and all of them together."""
    received = _received(workload)
    _, receive, message, _ = received[-1]
    last = last_stages(workload, folder)
    return [
        *received,
        *_composed(workload, folder),
        ("encode", last.encode_us, last.planes, True),
        ("mux", last.mux_us, last.packet, True),
        ("entire frame", receive + pipeline_us(workload, folder), message, True),
    ]


def _composed(workload: Workload, folder: Path) -> list[_Measured]:
    """From a crop to a frame; what is decoded comes with its face."""
    raw = workload.frame(0, CropEncoding.RAW)
    if workload.moves:
        moving = moving_stages(workload, folder / "faces")
        return [
            ("decode avatar", moving.decode_us, moving.planes, True),
            ("copy and paste", moving.paste_us, moving.planes, True),
        ]
    compositor, _ = workload.coding()
    return [("paste", _median_us(lambda: compositor.compose(raw, 0)), len(raw.data), True)]


def _received(workload: Workload) -> list[_Measured]:
    """Raw crops on every wire; on the best one, which a render takes, last."""
    raw, best = workload.frame(0, CropEncoding.RAW), STREAM_WIRES[0]
    return [
        (
            f"receive {wire.name}",
            receive_us(workload, wire),
            len(wire.codec().encode(raw)),
            wire is best,
        )
        for wire in reversed(STREAM_WIRES)
    ]


def _median_us(job: Callable[[], object]) -> float:
    """Microseconds of one call: the median of a few batches."""
    job()
    times = []
    for _ in range(_BATCHES):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < _STAGE_SECS / _BATCHES:
            job()
            count += 1
        times.append((time.perf_counter() - began) / count * 1e6)
    return statistics.median(times)


def _encoder_words(encoder: EncoderSettings) -> str:
    options = " ".join(f"{name}={value}" for name, value in encoder.options.items())
    return f"{encoder.codec} {options}"
