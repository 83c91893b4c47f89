"""The pipeline of a frame without its encoder: pieces of a socket to planes, in this process.

Ours is the client's own: aiohttp's stream, the decoder of the wire, the queue to a thread, the
compositor there. The rival's is the obvious one over NDJSON, with the fastest parsers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import av
import numpy as np
import orjson
import pybase64
import pytest
from aiohttp.base_protocol import BaseProtocol

from benches.bench_inputs import (
    CROP,
    HEIGHT,
    PICTURE,
    WIDTH,
    Naive,
    assert_nearly,
    planes_of,
    resize,
    still_planes,
    stretched_face,
)
from musetalk_fast.client.message_stream import _messages
from musetalk_fast.config import OutputSettings
from musetalk_fast.kernels.paste_rows import window
from musetalk_fast.rendering.frame_queue import FrameQueue
from musetalk_fast.types import ALL_ROWS, BT709, CROP_SIZE, CropEncoding, Face, Rows
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.mouth_motion import MotionMeter, sampled_every
from musetalk_fast.wire.crop_codec import encode_crop
from musetalk_fast.wire.media_types import NDJSON, STREAM_WIRES, StreamWire
from musetalk_fast.wire.messages import Frame, Message, Start
from musetalk_fast.wire.stream_encoder import StreamEncoder

FPS = Fraction(25)
FRAMES = 50
PIECES = (113 << 10, 256 << 10, 180 << 10)
"""Bytes, in turn."""

See = Callable[[av.VideoFrame], object]
CROPS = [np.roll(CROP, 3 * turn, axis=1) for turn in range(FRAMES)]


@pytest.fixture(scope="module")
def face() -> Face:
    return stretched_face()


def _pieces(wire: StreamWire, rows: Rows) -> list[bytes]:
    encoder, encoding = StreamEncoder(wire), CropEncoding.RAW
    start = Start(engine="e", model="m", faces="0" * 64, start=0, stop=FRAMES, encoding=encoding)
    frames: Iterator[Message] = (
        Frame(
            index=n, source=0, encoding=encoding, data=encode_crop(crop, encoding, rows), rows=rows
        )
        for n, crop in enumerate(CROPS)
    )
    text = b"".join([encoder.encode(start), *map(encoder.encode, frames), encoder.end(FRAMES)])
    pieces, at = [], 0
    for size in cycle(PIECES):
        if at >= len(text):
            return pieces
        pieces.append(text[at : at + size])
        at += size
    raise AssertionError


class _Ours:
    def __init__(self, face: Face, wire: StreamWire, thread: ThreadPoolExecutor) -> None:
        self._wire, self._thread = wire, thread
        self._pieces = _pieces(wire, window(face))
        encoder = resolve(OutputSettings(), Path("out.mp4"), WIDTH, HEIGHT, FPS, BT709)
        self._compositor = StillCompositor(still_planes(PICTURE, encoder.pix_fmt), face, FPS, BT709)

    async def run(self, see: See) -> int:
        loop = asyncio.get_running_loop()
        queue: FrameQueue[Frame] = FrameQueue(32, loop)
        content = aiohttp.StreamReader(BaseProtocol(loop), 1 << 26, loop=loop)
        for piece in self._pieces:
            content.feed_data(piece)
        content.feed_eof()
        response: Any = SimpleNamespace(content=content, content_type=self._wire.media_type)
        made = loop.run_in_executor(self._thread, self._compose, queue, see)
        try:
            decoder = self._wire.codec().Decoder()
            async for messages in _messages(response, self._wire, decoder, 10, "here"):
                await queue.put([each for each in messages if isinstance(each, Frame)])
        finally:
            queue.end()
        return await made

    def _compose(self, queue: FrameQueue[Frame], see: See) -> int:
        count, meter, every = 0, MotionMeter(1, 8), sampled_every(FPS)
        for frame in queue:
            shown = self._compositor.compose(frame, frame.index)
            if count % every == 0:
                meter.add(self._compositor.mouth_look())
            see(shown)
            count += 1
        return count


class _Obvious:
    """Lines, a JSON parser, base64, OpenCV, NumPy, PyAV."""

    def __init__(self, face: Face) -> None:
        self._pieces = _pieces(NDJSON, ALL_ROWS)
        self._paste = Naive(face)

    def run(self, see: See) -> int:
        count, remainder = 0, b""
        for piece in self._pieces:
            *lines, remainder = (remainder + piece).split(b"\n")
            for line in lines:
                message = orjson.loads(line)
                if message["type"] == "frame":
                    pixels = pybase64.b64decode(message["data"], validate=True)
                    crop = np.frombuffer(pixels, np.uint8).reshape(CROP_SIZE, CROP_SIZE, 3)
                    see(self._paste(resize(crop)))
                    count += 1
        return count


@pytest.mark.parametrize("wire", STREAM_WIRES, ids=lambda wire: wire.name)
def test_against_the_naive_pipeline(compare: Any, face: Face, wire: StreamWire) -> None:
    with ThreadPoolExecutor(1) as thread, closing(asyncio.new_event_loop()) as loop:
        ours, theirs = _Ours(face, wire, thread), _Obvious(face)
        own: list[Any] = []
        other: list[Any] = []
        loop.run_until_complete(ours.run(lambda frame: own.append(planes_of(frame).copy())))
        theirs.run(lambda frame: other.append(planes_of(frame).copy()))
        assert len(own) == len(other) == FRAMES
        for pair in zip(own, other, strict=True):
            assert_nearly(*pair)
        assert loop.run_until_complete(ours.run(id)) == theirs.run(id) == FRAMES
        compare(
            f"pipeline/1080p-{wire.name}",
            f"{FRAMES} frames of 1920x1080, box 430, pieces of 113 to 256 KB, raw window; CPU",
            lambda: loop.run_until_complete(ours.run(id)),
            "full crops over NDJSON: orjson, pybase64, cv2.resize, NumPy blend, PyAV reformat",
            lambda: theirs.run(id),
            rounds=40,
            rival_every=8,
            timer=time.process_time,
        )
