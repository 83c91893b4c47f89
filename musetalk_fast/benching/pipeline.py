"""One encoding thread's pipeline from received frames to a part, and its last stages alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import av

from musetalk_fast.benching.moving_avatar import moving_compositor, shown_of
from musetalk_fast.benching.workload import CROPS, MAX_FRAMES, Workload
from musetalk_fast.errors import EncoderError
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.storage import write_errors
from musetalk_fast.types import CropEncoding
from musetalk_fast.video.band_segment import BandSegmentEncoder
from musetalk_fast.video.compositor import Compositor, blank_frame, planes_of
from musetalk_fast.video.encoder_opening import open_encoder
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.mouth_motion import MotionMeter, sampled_every
from musetalk_fast.video.part_encoder import PACKETS_AT_ONCE, PartEncoder
from musetalk_fast.video.thread_priority import keeping_thread_priority

_ENCODER_SECS = 1.5
_FEWEST_FRAMES = 25

Packets = list["av.Packet[av.VideoStream]"]


class Last(NamedTuple):
    """Microseconds a frame of the last two stages, and the bytes that they take."""

    encode_us: float
    mux_us: float
    planes: int
    packet: float


class Pipeline:
    """Composes and encodes frames into a part that is discarded; serves one thread. A context.

    Args:
        part: where it is written.
    """

    def __init__(self, workload: Workload, part: Path) -> None:
        size = workload.avatar.width, workload.avatar.height
        crops = [workload.frame(number, CropEncoding.RAW) for number in range(CROPS)]
        self._frames = [
            replace(crops[number % CROPS], index=number, source=source)
            for number, source in enumerate(workload.sources)
        ]
        self._compositor, band = _coding(workload, part.with_suffix(".faces"))
        layout = LAYOUTS[workload.encoder.pix_fmt]
        self._meter = MotionMeter(layout.sample_bytes, layout.depth + layout.shift)
        self._every = sampled_every(workload.fps)
        self._part = PartEncoder(
            part, workload.encoder, *size, workload.fps, workload.avatar.colour, 0, "bench", band
        )

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_details: object) -> None:
        self._part.abort()

    def run(self, began: float) -> int:
        """Make a part until a second or two after `began`; return the number of its frames.

        Raises:
            errors.OutputError: encoding or writing failed.
        """
        made = _until_enough(self._step, began)
        self._part.finish()
        return made

    def _step(self, number: int) -> None:
        shown = self._compositor.compose(self._frames[number], number)
        if number % self._every == 0:
            self._meter.add(self._compositor.mouth_look())
        self._part.encode(shown)


def pipeline_us(workload: Workload, folder: Path) -> float:
    """Microseconds a frame of one thread, from a received frame to the finished part."""
    with Pipeline(workload, folder / "one") as pipeline:
        began = time.perf_counter()
        frames = pipeline.run(began)
        return (time.perf_counter() - began) / frames * 1e6


def pipelines_fps(workload: Workload, encoders: int, folder: Path) -> float:
    """Frames a second of so many concurrent pipelines."""
    with ExitStack() as stack:
        paths = [folder / f"of-{number}" for number in range(encoders)]
        pipelines = [stack.enter_context(Pipeline(workload, path)) for path in paths]
        began = time.perf_counter()

        def run(pipeline: Pipeline) -> int:
            return pipeline.run(began)

        with ThreadPoolExecutor(encoders) as pool:
            frames = sum(pool.map(run, pipelines))
        return frames / (time.perf_counter() - began)


def last_stages(workload: Workload, folder: Path) -> Last:
    """Encode pictures that lie ready, then mux the packets.

    Raises:
        errors.OutputError: encoding or writing failed.
    """
    compositor, band = _coding(workload, folder / "last.faces")
    encode = _open(workload).encode if band is None else band.encode
    # The first one is not measured: after it, a band shows what that decodes to.
    with _refusals(workload.encoder):
        packets = encode(compositor.compose(workload.frame(0, CropEncoding.RAW), 0))
    pictures = [_copied(workload, compositor, 1 + number) for number in range(CROPS)]
    more, encode_us = _encode(workload, encode, pictures)
    packets += more
    mux_us = _mux(workload, packets, folder / "muxed")
    planes = sum(plane.buffer_size for plane in pictures[0].planes)
    return Last(encode_us, mux_us, planes, sum(packet.size for packet in packets) / len(packets))


def _coding(workload: Workload, faces: Path) -> tuple[Compositor, BandSegmentEncoder | None]:
    """What makes a workload's frames, and what encodes them if they are only a band."""
    if workload.moves:
        return moving_compositor(workload, shown_of(workload, faces)), None
    return workload.coding()


def _copied(workload: Workload, compositor: Compositor, number: int) -> av.VideoFrame:
    """A frame that keeps its samples."""
    shown = compositor.compose(workload.frame(number, CropEncoding.RAW), 0)
    planes = planes_of(shown)
    copy = blank_frame(
        planes.width, planes.height, workload.encoder.pix_fmt, workload.fps, workload.avatar.colour
    )
    planes.copy_to(planes_of(copy))
    return copy


def _open(workload: Workload) -> av.VideoCodecContext:
    avatar = workload.avatar
    with _refusals(workload.encoder):
        return open_encoder(
            workload.encoder, avatar.width, avatar.height, workload.fps, avatar.colour
        )


def _encode(
    workload: Workload,
    encode: Callable[[av.VideoFrame | None], Packets],
    pictures: list[av.VideoFrame],
) -> tuple[Packets, float]:
    packets: Packets = []

    def step(number: int) -> None:
        picture = pictures[number % CROPS]
        picture.pts = 1 + number
        packets.extend(encode(picture))

    began = time.perf_counter()
    with _refusals(workload.encoder):
        frames = _until_enough(step, began)
        packets += encode(None)
    return packets, (time.perf_counter() - began) / frames * 1e6


def _mux(workload: Workload, packets: Packets, path: Path) -> float:
    encoder = workload.encoder
    # Written in place: the bench's folder is temporary, and its content is discarded.
    with write_errors(path), av.open(str(path), "w", format=encoder.part_muxer) as container:
        stream = container.add_stream(encoder.codec, rate=workload.fps)
        assert isinstance(stream, av.VideoStream)
        size = workload.avatar.width, workload.avatar.height
        encoder.configure(stream.codec_context, *size, workload.fps, workload.avatar.colour)
        with _refusals(encoder), keeping_thread_priority(encoder.codec):
            container.start_encoding()
        for number, packet in enumerate(packets):
            packet.stream = stream
            packet.dts = number - encoder.reorders
        began = time.perf_counter()
        for start in range(0, len(packets), PACKETS_AT_ONCE):
            container.mux(packets[start : start + PACKETS_AT_ONCE])
        secs: float = time.perf_counter() - began
    return secs / len(packets) * 1e6


@contextmanager
def _refusals(encoder: EncoderSettings) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, UnsupportedStreamError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EncoderError(f"encoding failed: {reason}", where=encoder.codec) from error


def _until_enough(step: Callable[[int], None], began: float) -> int:
    """Call it with 0, 1, ... for a second or two; return how often."""
    count = 0
    while count < _FEWEST_FRAMES or (
        count < MAX_FRAMES and time.perf_counter() - began < _ENCODER_SECS
    ):
        step(count)
        count += 1
    return count
