"""In steady state nothing above 4 KB is allocated for a frame, from received bytes to a part.

What aiohttp allocates is its own: the pieces that it reads, and the joining of those that make one
chunk of chunked framing. FFmpeg's memory is not traced: there, frames must keep their place.

A PNG takes up to five times its pixels at a time: the inflated lines, the same for Pillow to undo
their filters, and what Pillow gives out.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import deque
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
import pytest
from aiohttp.base_protocol import BaseProtocol

from musetalk_fast.client.message_stream import _chunks
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.types import BT709, CROP_SIZE, Box, CropEncoding, Face, Rows
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.wire import binary, ndjson
from musetalk_fast.wire.crop_codec import encode_crop
from musetalk_fast.wire.messages import Frame

LIMIT = 4096
WAITING = 32
"""Frames between socket and encoder."""
FRAMES, WARM = 150, 60
BOX = Box(100, 60, 200, 200)
FACE = Face(0, BOX, BOX, np.full((BOX.height, BOX.width), 200, np.uint8))
SIZE = (640, 360)
FPS = Fraction(25)
ENCODER = EncoderSettings("libx264", "mp4", "yuv420p", {"preset": "ultrafast"}, 250, 1)
RAW, JPEG, PNG = CropEncoding.RAW, CropEncoding.JPEG, CropEncoding.PNG


class Peaks:
    """The most that a step has allocated at a time, once all are warm."""

    def __init__(self) -> None:
        self.warm = False
        self.highest: dict[str, int] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield
        _, peak = tracemalloc.get_traced_memory()
        if self.warm:
            self.highest[name] = max(self.highest.get(name, 0), peak - before)


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def _compositor() -> StillCompositor:
    width, height = SIZE
    avatar = Planes.allocate(LAYOUTS[ENCODER.pix_fmt], width, height)
    return StillCompositor(avatar, FACE, FPS, BT709)


class Pipeline:
    """From a socket's bytes to a part; of its own frames it notes where they lie."""

    def __init__(self, module: Any, path: Path) -> None:
        self.peaks = Peaks()
        self.places: set[int] = set()
        self._decoder = module.Decoder()
        loop = asyncio.get_running_loop()
        self._received = aiohttp.StreamReader(BaseProtocol(loop), 1 << 20, loop=loop)
        self._waiting: deque[Frame] = deque()
        self._compositor = _compositor()
        self._encoder = PartEncoder(path, ENCODER, *SIZE, FPS, BT709, 0, "")

    async def go(self, messages: list[bytes], size: int | None) -> None:
        """As a socket gives them: cut anywhere, or each a chunk, in pieces of 100,000 bytes."""
        try:
            async with aclosing(_chunks(self._received)) as chunks:
                for pieces in _pieces(messages, size):
                    self._receive(pieces, chunked=size is None)
                    with self.peaks.of("receive"):
                        taken = await anext(chunks)
                    for chunk in taken:
                        self._take(chunk)
            assert self._encoder.finish().frames == FRAMES - len(self._waiting)
        finally:
            self._encoder.abort()

    def _receive(self, pieces: list[bytes], *, chunked: bool) -> None:
        if chunked:
            self._received.begin_http_chunk_receiving()
        for piece in pieces:
            self._received.feed_data(piece)
        if chunked:
            self._received.end_http_chunk_receiving()

    def _take(self, chunk: bytes) -> None:
        with self.peaks.of("parse"):
            messages = self._decoder.feed(chunk)
        self._waiting.extend(messages)
        while len(self._waiting) > WAITING:
            frame = self._waiting.popleft()
            with self.peaks.of("compose"):
                shown = self._compositor.compose(frame, frame.index)
            with self.peaks.of("encode"):
                self._encoder.encode(shown)
            self.places.add(shown.planes[0].buffer_ptr)
            self.peaks.warm = frame.index >= WARM


def _messages(module: Any, encoding: CropEncoding) -> list[bytes]:
    crop = np.random.default_rng(1).integers(0, 256, (CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8)
    rows = Rows(0, CROP_SIZE)
    data = encode_crop(crop, encoding, rows)
    frames = (Frame(index=n, source=0, encoding=encoding, data=data) for n in range(FRAMES))
    return [module.encode(frame) for frame in frames]


def _pieces(messages: list[bytes], size: int | None) -> Iterator[list[bytes]]:
    for sent in messages if size is None else [b"".join(messages)]:
        cut = [sent[at : at + (size or 100_000)] for at in range(0, len(sent), size or 100_000)]
        yield from [cut] if size is None else ([piece] for piece in cut)


@pytest.mark.long
@pytest.mark.parametrize("size", [None, 100_000, 256_000])
@pytest.mark.parametrize(
    ("module", "encoding"), [(binary, RAW), (ndjson, RAW), (binary, JPEG), (ndjson, JPEG)]
)
async def test_nothing_large_is_allocated(
    module: Any, encoding: CropEncoding, size: int | None, tmp_path: Path
) -> None:
    pipeline = Pipeline(module, tmp_path / "part.mp4")
    await pipeline.go(_messages(module, encoding), size)
    if size is None:
        del pipeline.peaks.highest["receive"]  # aiohttp joins the pieces of a chunk
    assert {"parse", "compose", "encode"} <= set(pipeline.peaks.highest)
    assert max(pipeline.peaks.highest.values()) < LIMIT, pipeline.peaks.highest
    assert len(pipeline.places) == 1


@pytest.mark.parametrize("module", [binary, ndjson])
async def test_a_png_takes_a_few_times_its_pixels(module: Any, tmp_path: Path) -> None:
    pipeline = Pipeline(module, tmp_path / "part.mp4")
    await pipeline.go(_messages(module, PNG), 256_000)
    assert pipeline.peaks.highest.pop("compose") < 5 * CROP_SIZE * CROP_SIZE * 3
    assert max(pipeline.peaks.highest.values()) < LIMIT, pipeline.peaks.highest
    assert len(pipeline.places) == 1


def test_the_measure_can_fail() -> None:
    peaks = Peaks()
    for peaks.warm in (False, True):
        with peaks.of("copy"):
            bytes(2 * LIMIT)
    assert peaks.highest["copy"] > LIMIT


def test_frames_that_are_still_referenced_would_be_seen_by_their_addresses() -> None:
    graph = av.filter.Graph()
    form = av.VideoFormat(ENCODER.pix_fmt)
    source = graph.add_buffer(width=SIZE[0], height=SIZE[1], format=form, time_base=1 / FPS)
    sink = graph.add("buffersink")
    source.link_to(sink)
    graph.configure()
    compositor, places = _compositor(), set()
    for index in range(3):
        crop = bytes(CROP_SIZE * CROP_SIZE * 3)
        shown = compositor.compose(Frame(index=index, source=0, encoding=RAW, data=crop), index)
        places.add(shown.planes[0].buffer_ptr)
        source.push(shown)  # nothing pulls
    assert len(places) == 3
