"""Buffers for messages across pieces are reused, but never while a view of them is alive."""

from __future__ import annotations

import tracemalloc

from musetalk_fast.types import CropEncoding
from musetalk_fast.wire.buffer_pool import BufferPool
from musetalk_fast.wire.media_types import StreamWire
from musetalk_fast.wire.messages import Frame, Message
from musetalk_fast.wire.stream_encoder import StreamEncoder


def test_a_buffer_with_a_view_is_not_reused() -> None:
    buffers = BufferPool()
    first = buffers.take(10_000)
    view = memoryview(first)[10:20]
    assert buffers.take(10_000) is not first
    view.release()
    assert buffers.take(9_000) is first
    assert len(first) >= 10_000


def test_a_buffer_that_is_too_small_is_replaced() -> None:
    buffers = BufferPool()
    small = buffers.take(5_000)
    large = buffers.take(20_000)
    assert large is not small
    assert len(large) >= 20_000
    assert buffers.take(20_001) is large


def _frames(wire: StreamWire, count: int) -> list[bytes]:
    encoder = StreamEncoder(wire)
    pieces = []
    for index in range(count):
        data = bytes([index % 251]) * (256 * 256 * 3)
        frame = Frame(index=index, source=0, encoding=CropEncoding.RAW, data=data)
        encoded = encoder.encode(frame)
        pieces += [encoded[:20], encoded[20:70_000], encoded[70_000:]]
    return pieces


def test_frames_across_pieces_allocate_nothing_large(stream_wire: StreamWire) -> None:
    pieces, decoder = _frames(stream_wire, 12), stream_wire.codec().Decoder()
    held: list[Message] = []

    def take(piece: bytes) -> None:
        held.extend(decoder.feed(piece))
        del held[:-3]

    for piece in pieces[:18]:
        take(piece)
    tracemalloc.start()
    try:
        for piece in pieces[18:]:
            take(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4096 * 2
    assert [frame.index for frame in held if isinstance(frame, Frame)] == [9, 10, 11]
    texts = [bytes(frame.data[:8]) for frame in held if isinstance(frame, Frame)]
    assert len(set(texts)) == 3, "a frame that is held was written over"
