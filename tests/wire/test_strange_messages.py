"""Messages made by hand: unknown ones, and known ones with members that cannot be."""

from __future__ import annotations

import base64
import json
import struct
import tracemalloc

import numpy as np
import pytest

from musetalk_fast import errors
from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.kernels.png import encode_png
from musetalk_fast.types import Box, CropEncoding, Rows
from musetalk_fast.wire import binary, ndjson
from musetalk_fast.wire.media_types import Codec
from musetalk_fast.wire.messages import FaceMessage, Frame, Heartbeat, Message

HEADER = struct.Struct("<4sBBBBIIHHHHI")


def packed(
    number: int,
    members: object = None,
    data: bytes = b"",
    *,
    flags: int = 0,
    encoding: int = 0,
    magic: bytes = b"MTF1",
    json_length: int | None = None,
) -> bytes:
    text = b"" if members is None else json.dumps(members).encode()
    length = len(text) if json_length is None else json_length
    head = HEADER.pack(
        magic, number, flags, encoding, 0, 0, 0, 0, 0, 0, length, len(text) + len(data)
    )
    return head + struct.pack("<I", crc32c(head + text + data)) + text + data


def line(members: object) -> bytes:
    body = json.dumps(members, separators=(",", ":")).encode()[:-1]
    return body + b',"crc32c":"%08x"}\n' % crc32c(body)


def from_binary(data: bytes) -> list[Message]:
    return binary.Decoder().feed(data)


def from_line(members: object) -> list[Message]:
    return ndjson.Decoder().feed(line(members))


def test_unknown_messages_are_skipped_if_marked_optional() -> None:
    assert from_binary(packed(99, {"x": 1}, flags=1) + packed(5)) == [Heartbeat()]
    assert from_line({"type": "gossip", "optional": True}) == []


def test_reserved_flags_mean_nothing_and_the_mark_nothing_on_a_known_message() -> None:
    assert from_binary(packed(5, flags=0xFF)) == [Heartbeat()]
    assert from_binary(packed(200, flags=0xFF, data=b"no JSON", json_length=7, encoding=9)) == []
    assert from_line({"type": "heartbeat", "optional": True}) == [Heartbeat()]
    with pytest.raises(errors.ProtocolError, match="unknown type 99"):
        from_binary(packed(99, flags=0xFE))


def test_other_unknown_messages_are_errors() -> None:
    with pytest.raises(errors.ProtocolError, match="unknown type 99"):
        from_binary(packed(99))
    with pytest.raises(errors.ProtocolError, match="unknown type 'gossip'"):
        from_line({"type": "gossip"})


def test_skipped_messages_count_in_the_digest() -> None:
    skipped = packed(99, {}, flags=1)
    digest = f"{crc32c(skipped[28:32]):08x}"
    assert len(from_binary(skipped + packed(6, {"count": 0, "digest": digest}))) == 1


def test_unknown_members_are_ignored() -> None:
    assert from_binary(packed(5, {"mood": "good"})) == [Heartbeat()]
    assert from_line({"type": "heartbeat", "mood": {"deep": [1, 2]}}) == [Heartbeat()]


START = {"type": "start", "engine": "e", "model": "m", "start": 0, "stop": 1}
FRAME = {
    "type": "frame",
    "index": 0,
    "source": 0,
    "encoding": "raw",
    "rows": [0, 1],
    "width": 256,
    "data": "",
}


def test_the_order_of_members_is_free() -> None:
    data = base64.b64encode(bytes(768)).decode()
    shuffled = dict(reversed([*FRAME.items()][:-1])) | {"data": data}
    (frame,) = from_line(shuffled)
    assert isinstance(frame, Frame)
    assert (frame.index, frame.rows) == (0, Rows(0, 1))
    body = json.dumps({**shuffled, "data": ""})[: -len(', "data": ""}')].encode()
    body += b',"data":"%s"' % data.encode()
    assert len(ndjson.Decoder().feed(body + b',"crc32c":"%08x"}\n' % crc32c(body))) == 1


STRANGE = {
    "not an object": [1],
    "start without engine": {"type": "start", "start": 0, "stop": 1},
    "start backwards": START | {"start": 2},
    "start with a huge number": START | {"stop": 1 << 32},
    "unknown encoding": START | {"encoding": "webp"},
    "digest too short": {"type": "end", "count": 1, "digest": "abc"},
    "count is true": {"type": "end", "count": True, "digest": "00000000"},
    "progress beyond its total": {"type": "progress", "stage": "x", "done": 3, "total": 2},
    "face with an empty box": {"type": "face", "source": 0, "box": [0, 0, 0, 5]},
    "face with a box of three": {"type": "face", "source": 0, "box": [0, 0, 5]},
    "face with a box of words": {"type": "face", "source": 0, "box": ["0", 0, 5, 5]},
    "rows of a frame": {**FRAME, "rows": [0, 999], "data": ""},
    "width of a frame": {**FRAME, "width": 257},
    "type is a number": {"type": 3},
}


@pytest.mark.parametrize("name", STRANGE)
def test_members_out_of_bounds(name: str) -> None:
    with pytest.raises(errors.ProtocolError) as caught:
        from_line(STRANGE[name])
    assert caught.value.hint


def test_words_in_an_error_about_a_member_are_printable() -> None:
    with pytest.raises(errors.ProtocolError) as caught:
        from_line({"type": "start", "engine": "e", "model": "m", "start": "\x1b[2J" + "x" * 9999})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_other_magic() -> None:
    with pytest.raises(errors.ProtocolError, match="MTF1"):
        from_binary(packed(5, magic=b"HTTP"))


def test_json_longer_than_its_payload() -> None:
    with pytest.raises(errors.ProtocolError, match="JSON"):
        from_binary(packed(5, {}, json_length=3))


def test_unknown_crop_encoding() -> None:
    with pytest.raises(errors.FrameShapeError, match="encoding 9"):
        from_binary(packed(3, encoding=9))


def test_data_must_stand_before_the_checksum() -> None:
    with pytest.raises(errors.ProtocolError, match="data"):
        from_line(FRAME | {"data": "AAAA", "extra": 1})


@pytest.mark.parametrize(
    "text", [b"\n", b"{}\n", b'{"type":"heartbeat"}\n', b'{"type":"heartbeat","crc32c":"XYZ"}\n']
)
def test_lines_without_a_checksum(text: bytes) -> None:
    with pytest.raises(errors.ProtocolError, match="checksum"):
        ndjson.Decoder().feed(text)


def test_a_long_document_is_not_parsed() -> None:
    with pytest.raises(errors.MessageSizeError, match="JSON"):
        from_line({"type": "heartbeat", "x": "y" * 70_000})


FACE = {"source": 0, "box": [0, 0, 9, 9], "mask_box": [0, 0, 4, 3]}


@pytest.mark.parametrize(
    "png",
    [
        b"",
        b"not a png",
        encode_png(np.zeros((3, 3), np.uint8)),
        encode_png(np.zeros((3, 4, 3), np.uint8)),
        encode_png(np.zeros((300, 400), np.uint8)),
    ],
    ids=["none", "noise", "small", "colours", "large"],
)
def test_masks_that_do_not_fit(png: bytes) -> None:
    with pytest.raises(errors.FrameShapeError, match="mask"):
        from_binary(packed(2, FACE, png))


def test_a_mask_bomb_is_refused_by_its_rectangle() -> None:
    face = FACE | {"mask_box": [0, 0, 50_000, 50_000]}
    with pytest.raises(errors.FrameShapeError, match="limit"):
        from_binary(packed(2, face, encode_png(np.zeros((3, 4), np.uint8))))


@pytest.mark.parametrize("wire", [binary, ndjson])
def test_a_mask_beyond_its_picture_is_not_inflated(wire: Codec) -> None:
    side = 1024
    mask = np.zeros((side, side), np.uint8)
    box = Box(0, 0, side, side)
    encoded = wire.encode(FaceMessage(source=0, box=box, mask_box=box, mask=mask))
    assert wire.Decoder(picture=(side, side)).feed(encoded)
    for picture in ((side, side - 1), (side - 1, side), (64, 64)):
        tracemalloc.start()
        try:
            with pytest.raises(errors.FrameShapeError, match="in a picture of"):
                wire.Decoder(picture=picture).feed(encoded)
            assert tracemalloc.get_traced_memory()[1] < side * side // 4
        finally:
            tracemalloc.stop()


def test_a_mask_of_another_kind_is_not_inflated() -> None:
    encoded = packed(
        2, FACE | {"mask_box": [0, 0, 512, 512]}, encode_png(np.zeros((512, 512, 3), np.uint8))
    )
    tracemalloc.start()
    try:
        with pytest.raises(errors.FrameShapeError, match="mask"):
            from_binary(encoded)
        assert tracemalloc.get_traced_memory()[1] < 3 * 512 * 512 // 2
    finally:
        tracemalloc.stop()


def test_a_mask_that_is_not_base64() -> None:
    with pytest.raises(errors.ProtocolError, match="base64"):
        from_line({"type": "face", **FACE, "data": "####"})


def test_messages_too_long_are_not_sent() -> None:
    frame = Frame(index=0, source=0, encoding=CropEncoding.PNG, data=bytes((16 << 20) + 1))
    for wire in (binary, ndjson):
        with pytest.raises(errors.MessageSizeError):
            wire.encode(frame)
