"""Streams for the decoders of both wires."""

from __future__ import annotations

import numpy as np
import pytest

from musetalk_fast.types import Box, CropEncoding, Rows
from musetalk_fast.wire.crop_codec import encode_crop
from musetalk_fast.wire.media_types import STREAM_WIRES, Codec, StreamWire
from musetalk_fast.wire.messages import (
    FaceMessage,
    Frame,
    Heartbeat,
    Message,
    Progress,
    Start,
)
from musetalk_fast.wire.stream_encoder import StreamEncoder

FACES = "ab" * 32


@pytest.fixture(params=STREAM_WIRES, ids=lambda wire: wire.name)
def stream_wire(request: pytest.FixtureRequest) -> StreamWire:
    wire: StreamWire = request.param
    return wire


@pytest.fixture
def wire(stream_wire: StreamWire) -> Codec:
    return stream_wire.codec()


@pytest.fixture
def messages() -> list[Message]:
    """One of each kind, small enough to be cut at every position."""
    crop = np.arange(256 * 256 * 3, dtype=np.uint32).astype(np.uint8).reshape(256, 256, 3)
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    raw, rows = CropEncoding.RAW, Rows(7, 1)
    return [
        Heartbeat(),
        Progress(stage="prepare", done=1, total=2),
        Start(engine="pattern", model="1", faces=FACES, start=4, stop=6, encoding=raw),
        FaceMessage(source=0, box=Box(-5, 6, 70, 80), mask_box=Box(0, 20, 4, 3), mask=mask),
        FaceMessage(source=1),
        Frame(index=4, source=0, encoding=raw, data=encode_crop(crop, raw, rows), rows=rows),
        Frame(index=5, source=1, encoding=CropEncoding.JPEG, data=b"\xff\xd8not\n\"a'jpeg\0"),
    ]


@pytest.fixture
def stream(stream_wire: StreamWire, messages: list[Message]) -> bytes:
    encoder = StreamEncoder(stream_wire)
    details = {"faces": FACES, "source_frames": 2, "width": 640, "height": 480}
    return b"".join(map(encoder.encode, messages)) + encoder.end(2, details)
