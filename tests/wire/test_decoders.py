"""Both wires: whatever the cuts, the same messages; whatever the damage, a named refusal."""

from __future__ import annotations

import base64
import tracemalloc
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musetalk_fast import errors
from musetalk_fast.types import Box, CropEncoding, Rows
from musetalk_fast.wire import binary, ndjson
from musetalk_fast.wire.media_types import STREAM_WIRES, Codec, StreamWire
from musetalk_fast.wire.messages import (
    End,
    ErrorMessage,
    FaceMessage,
    Frame,
    Heartbeat,
    Message,
    Start,
)
from musetalk_fast.wire.stream_encoder import StreamEncoder


def as_list(message: Message) -> dict[str, object]:
    """A message as values that compare: masks as lists, data as bytes."""
    members = {"kind": type(message).__name__, **asdict_shallow(message)}
    if isinstance(message, FaceMessage) and message.mask is not None:
        members["mask"] = message.mask.tolist()
    if isinstance(message, Frame):
        data = bytes(message.data)
        members["data"] = base64.b64decode(data) if message.base64 else data
        del members["base64"]
    return members


def asdict_shallow(message: Message) -> dict[str, object]:
    if isinstance(message, Frame | FaceMessage):
        return {name: getattr(message, name) for name in message.__slots__}
    return asdict(message)


def decode(wire: Codec, pieces: list[bytes]) -> list[Message]:
    decoder = wire.Decoder()
    found = [message for piece in pieces for message in decoder.feed(piece)]
    decoder.close()
    return found


def check(found: list[Message], sent: list[Message]) -> None:
    *body, end = found
    assert [as_list(message) for message in body] == [as_list(message) for message in sent]
    assert isinstance(end, End)
    assert end.count == 2
    assert end.details == {"faces": "ab" * 32, "source_frames": 2, "width": 640, "height": 480}


def test_one_piece(wire: Codec, stream: bytes, messages: list[Message]) -> None:
    check(decode(wire, [stream]), messages)


def test_cut_at_every_position(wire: Codec, stream: bytes, messages: list[Message]) -> None:
    for cut in range(len(stream) + 1):
        check(decode(wire, [stream[:cut], stream[cut:]]), messages)


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 100])
def test_pieces_of_one_size(size: int, wire: Codec, stream: bytes, messages: list[Message]) -> None:
    pieces = [stream[place : place + size] for place in range(0, len(stream), size)]
    check(decode(wire, pieces), messages)


def test_every_message_comes_with_its_last_byte(stream_wire: StreamWire, wire: Codec) -> None:
    encoder = StreamEncoder(stream_wire)
    encoded = encoder.encode(Heartbeat())
    decoder = wire.Decoder()
    assert decoder.feed(encoded[:-1]) == []
    assert decoder.feed(encoded[-1:]) == [Heartbeat()]


def test_no_single_flipped_bit_goes_unseen(
    wire: Codec, stream: bytes, messages: list[Message]
) -> None:
    for place in range(len(stream)):
        damaged = bytearray(stream)
        damaged[place] ^= 1 << (place % 8)
        with pytest.raises(errors.ProtocolError):
            decode(wire, [bytes(damaged)])


def test_every_cut_stream_is_called_cut(wire: Codec, stream: bytes) -> None:
    for stop in range(0, len(stream), 7):
        with pytest.raises(errors.StreamCutError):
            decode(wire, [stream[:stop]])


def test_a_message_left_out_is_seen(stream_wire: StreamWire, wire: Codec) -> None:
    encoder = StreamEncoder(stream_wire)
    pieces = [encoder.encode(Heartbeat()) for _ in range(3)]
    with pytest.raises(errors.ChecksumError):
        decode(wire, [*pieces[:2], encoder.end(0)])


def test_nothing_may_follow_the_end(stream_wire: StreamWire, wire: Codec) -> None:
    encoder = StreamEncoder(stream_wire)
    end, more = encoder.end(0), encoder.encode(Heartbeat())
    with pytest.raises(errors.ProtocolError, match="after the end"):
        decode(wire, [end + more])
    with pytest.raises(errors.ProtocolError, match="after the end"):
        decode(wire, [end, b"\n"])


def test_an_error_ends_a_stream(stream_wire: StreamWire, wire: Codec) -> None:
    error = ErrorMessage(code="MTF-ENGINE", message="broke", retryable=True, hint="try again")
    encoder = StreamEncoder(stream_wire)
    data = encoder.encode(Heartbeat()) + encoder.encode(error)
    assert decode(wire, [data])[-1] == error


def test_words_of_a_peer_are_made_printable(stream_wire: StreamWire, wire: Codec) -> None:
    error = ErrorMessage(code="X", message="\x1b[2Jgone\r\n" + "x" * 900, retryable=False)
    (found,) = decode(wire, [StreamEncoder(stream_wire).encode(error)])
    assert isinstance(found, ErrorMessage)
    assert found.message.isprintable()
    assert len(found.message) <= 500


def test_a_frame_inside_one_piece_is_not_copied(stream_wire: StreamWire, wire: Codec) -> None:
    frame = Frame(index=0, source=0, encoding=CropEncoding.RAW, data=bytes(256 * 256 * 3))
    piece = StreamEncoder(stream_wire).encode(frame)
    decoder = wire.Decoder()
    decoder.feed(piece)
    tracemalloc.start()
    try:
        (found,) = wire.Decoder().feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(found, Frame)
    assert isinstance(found.data, memoryview)
    assert found.data.obj is piece
    assert peak < 16_384


def test_a_length_is_refused_before_anything_is_allocated(wire: Codec) -> None:
    huge = {
        binary: b"MTF1\x03\0\x01\0" + bytes(16) + b"\xff\xff\xff\xff" + bytes(4),
        ndjson: b'{"type":"frame","data":"' + b"A" * 5000,
    }[wire]
    tracemalloc.start()
    try:
        with pytest.raises(errors.MessageSizeError, match="limit"):
            wire.Decoder(limit=4096).feed(huge)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 65_536


def test_a_line_without_end_is_bounded_over_many_pieces() -> None:
    decoder = ndjson.Decoder(limit=10_000)
    decoder.feed(b"x" * 6000)
    with pytest.raises(errors.MessageSizeError):
        decoder.feed(b"x" * 6000)


@given(pieces=st.lists(st.binary(max_size=80), max_size=8), kind=st.sampled_from(STREAM_WIRES))
def test_noise_is_refused_by_name(pieces: list[bytes], kind: StreamWire) -> None:
    with pytest.raises(errors.ProtocolError):
        decode(kind.codec(), pieces)


NAMES = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=40)
INDEX = st.integers(0, (1 << 32) - 1)
SIDE = st.integers(1, 40)
PLACE = st.integers(-10_000, 10_000)


@st.composite
def any_start(draw: st.DrawFn) -> Start:
    first, last = sorted((draw(INDEX), draw(INDEX)))
    return Start(
        engine=draw(NAMES),
        model=draw(NAMES),
        faces=draw(st.none() | st.just("0f" * 32)),
        start=first,
        stop=last,
        encoding=draw(st.none() | st.sampled_from(CropEncoding)),
    )


@st.composite
def any_face(draw: st.DrawFn) -> FaceMessage:
    width, height = draw(SIDE), draw(SIDE)
    mask = np.frombuffer(
        draw(st.binary(min_size=width * height, max_size=width * height)), np.uint8
    ).reshape(height, width)
    box = Box(draw(PLACE), draw(PLACE), draw(SIDE), draw(SIDE))
    mask_box = Box(draw(PLACE), draw(PLACE), width, height)
    return FaceMessage(source=draw(INDEX), box=box, mask_box=mask_box, mask=mask)


@st.composite
def any_frame(draw: st.DrawFn) -> Frame:
    first = draw(st.integers(0, 255))
    return Frame(
        index=draw(INDEX),
        source=draw(INDEX),
        encoding=draw(st.sampled_from(CropEncoding)),
        data=draw(st.binary(max_size=300)),
        rows=Rows(first, draw(st.integers(0, 256 - first))),
        width=draw(st.integers(1, 256)),
    )


@given(
    sent=st.lists(any_start() | any_face() | any_frame() | st.just(Heartbeat()), max_size=5),
    size=st.integers(1, 200),
    kind=st.sampled_from(STREAM_WIRES),
)
def test_round_trip(sent: list[Message], size: int, kind: StreamWire) -> None:
    encoder = StreamEncoder(kind)
    data = b"".join(map(encoder.encode, sent)) + encoder.end(len(sent))
    pieces = [data[place : place + size] for place in range(0, len(data), size)]
    *found, end = decode(kind.codec(), pieces)
    assert [as_list(message) for message in found] == [as_list(message) for message in sent]
    assert isinstance(end, End)
