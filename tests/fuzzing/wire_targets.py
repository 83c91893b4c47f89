"""What comes from a peer: whatever the bytes and their cuts, messages or an error of the wire."""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import orjson
from mutation import mutated_json, pieces
from sealing import seal_binary, seal_lines
from target import Target

from musetalk_fast.errors import FrameShapeError, ProtocolError
from musetalk_fast.kernels.jpeg import encode_jpeg
from musetalk_fast.types import AvatarOptions, Box, CropEncoding, Rows, SourceRun
from musetalk_fast.wire import binary, infer, ndjson
from musetalk_fast.wire.crop_codec import CropReader
from musetalk_fast.wire.media_types import BINARY, NDJSON, StreamWire
from musetalk_fast.wire.messages import (
    ErrorMessage,
    FaceMessage,
    Frame,
    Heartbeat,
    Message,
    Progress,
    Start,
)
from musetalk_fast.wire.requests import AvatarRequest, FramesRequest, Health, Info
from musetalk_fast.wire.stream_encoder import StreamEncoder

_DUE, _MAX_TEXT = 4, 4000
_CROP = struct.Struct("<BBHHH")
"""Of a crop's input: encoding, whether in base64, first row, rows, width."""
_ENCODINGS = list(CropEncoding)
_READER = CropReader()
_RATE = Fraction(30000, 1001)


def comparable(message: Any) -> list[Any]:
    """A message as values that compare."""
    values = [getattr(message, name) for name in message.__slots__]
    shown = [bytes(value) if isinstance(value, memoryview) else value for value in values]
    return [type(message), *(v.tobytes() if isinstance(v, np.ndarray) else v for v in shown)]


def outcome(make: Callable[[], Any], parts: list[bytes]) -> tuple[Any, ProtocolError | None]:
    """What a new decoder makes of these pieces; messages count only where all of it is right."""
    decoder, found = make(), []
    try:
        for part in parts:
            found += [comparable(message) for message in decoder.feed(part)]
        end = decoder.close()
    except ProtocolError as error:
        return type(error), error
    return (found, end), None


def alike_however_cut(make: Callable[[], Any], data: bytes) -> Any:
    """The outcome, which no cut may change; raises the decoder's own error."""
    once, error = outcome(make, [data] if data else [])
    cut, _ = outcome(make, pieces(data))
    assert cut == once, f"in one piece {once}, in several {cut}"
    if error is not None:
        raise error
    return once


def _message(rng: random.Random, index: int) -> Message:
    kind = rng.randrange(8)
    if kind == 0:
        return Heartbeat()
    if kind == 1:
        return Progress(stage="prepare", done=rng.randint(0, 5), total=rng.randint(5, 9))
    if kind == 2:
        width, height = rng.randint(1, 20), rng.randint(1, 20)
        mask = np.frombuffer(rng.randbytes(width * height), np.uint8).reshape(height, width)
        place = Box(rng.randint(-9, 9), 0, width, height)
        return FaceMessage(source=index, box=Box(-5, 6, 70, 80), mask_box=place, mask=mask)
    if kind == 3:
        return FaceMessage(source=index)
    encoding, rows = rng.choice(_ENCODINGS), rng.randint(0, 2)
    size = 3 * 256 * rows if encoding is CropEncoding.RAW else rng.randint(0, 60)
    place = Rows(rng.randint(0, 254), rows)
    return Frame(index=index, source=0, encoding=encoding, data=rng.randbytes(size), rows=place)


def _make_stream(wire: StreamWire, rng: random.Random) -> bytes:
    encoder, count = StreamEncoder(wire), rng.randint(0, 5)
    encoding = rng.choice((None, *_ENCODINGS))
    start = Start(engine="e", model="1", faces="ab" * 32, start=0, stop=count, encoding=encoding)
    parts = [encoder.encode(start)]
    parts += [encoder.encode(_message(rng, index)) for index in range(count)]
    if rng.random() < 0.2:
        error = ErrorMessage(code="MTF-X", message="it failed", retryable=True, hint=None)
        return b"".join((*parts, encoder.encode(error)))
    return b"".join((*parts, encoder.end(count, {"width": 640})))


def _feed_stream(make: Callable[[], Any], data: bytes) -> bool:
    alike_however_cut(make, data)
    for message in make().feed(data):
        if isinstance(message, Frame):
            _READER.read(message)
    return True


def _make_answer(rng: random.Random) -> bytes:
    frames: list[Any] = [
        {"index": n, "data": base64.b64encode(rng.randbytes(rng.randint(0, 60))).decode()}
        for n in range(_DUE)
    ]
    document: dict[str, Any] = {
        "status": "success",
        "total_frames": _DUE,
        "fps": rng.choice((25, 23.976, None)),
        "frames": frames,
        "processing_time_secs": 1.25,
    }
    if rng.random() < 0.3:
        document = {"more": {"a": [1, [2, {"b": [], "c": 'quotes " and \\ é'}]]}} | document
    if rng.random() < 0.3:
        document = mutated_json(rng, document)
    indent = rng.choice((None, None, 2))
    text = json.dumps(document, indent=indent, ensure_ascii=rng.random() < 0.8)
    if rng.random() < 0.2:
        text = text.replace("/", "\\/").replace("A", "\\u0041")
    return text.encode(errors="replace")


def _feed_answer(data: bytes) -> bool:
    found, _ = alike_however_cut(lambda: infer.Decoder(_DUE, _MAX_TEXT), data)
    try:
        document = json.loads(data)
    except ValueError:  # members that are not read are not parsed
        return True
    if isinstance(document.get("frames"), list):  # no list: the response says why it failed
        texts = [frame["data"] for frame in document["frames"]]
        assert [frame[2] for frame in found] == list(map(base64.b64decode, texts))
    return True


def _make_crop(rng: random.Random) -> bytes:
    first = rng.choice((0, rng.randint(0, 250)))
    rows = rng.choice((1, 2, rng.randint(1, 16), 256 - first))
    encoding, text = rng.randrange(len(_ENCODINGS)), rng.random() < 0.5
    pixels = np.frombuffer(rng.randbytes(3 * 256) * rows, np.uint8).reshape(rows, 256, 3)
    data = bytes(pixels) if _ENCODINGS[encoding] is CropEncoding.RAW else encode_jpeg(pixels)
    head = _CROP.pack(encoding, text, first, rows, 256)
    return head + (base64.b64encode(data) if text else data)


def _feed_crop(data: bytes) -> bool:
    encoding, text, first, rows, width = _CROP.unpack(data[: _CROP.size].ljust(_CROP.size, b"\0"))
    payload = np.frombuffer(data[_CROP.size :], np.uint8).copy().data
    frame = Frame(
        index=1,
        source=0,
        encoding=_ENCODINGS[encoding % len(_ENCODINGS)],
        data=payload,
        rows=Rows(first, rows),
        width=width,
        base64=bool(text % 2),
    )
    found = _READER.read(frame)
    assert found.nbytes == 3 * 256 * rows
    if frame.encoding is CropEncoding.RAW:
        assert bytes(found) == (base64.b64decode(payload) if frame.base64 else bytes(payload))
    return True


def _documents(rng: random.Random) -> list[Any]:
    options = AvatarOptions(face="left", face_box=Box(-1, 2, 30, 40), bbox_shift=-3)
    runs, start = (SourceRun(0, 1, 12), SourceRun(11, -1, 8)), rng.randint(0, 9)
    health = {"status": "healthy", "version": "1", "model_loaded": True, "gpu_available": False}
    return [
        AvatarRequest(avatar="a" * 64, options=options, start=start, stop=start + 3).to_json(),
        FramesRequest(
            avatar="a" * 64,
            options=options,
            faces="c" * 64,
            audio="b" * 64,
            fps=_RATE,
            start=start,
            stop=start + 20,
            sources=runs,
        ).to_json(),
        {**health, "gpu_name": None, "engine": "e", "protocol": 1},
        {
            "engine": "e",
            "model": "1",
            "is_preview": False,
            "protocol": 1,
            "crop_size": 256,
            "encodings": ["raw", "webp"],
            "wires": [BINARY.media_type, NDJSON.media_type],
            "max_fps": 60.0,
            "max_size": 8192,
            "max_streams": 2,
            "max_asset_bytes": 1 << 30,
        },
        {**health, "status": "ok"},
    ]


def _make_request(rng: random.Random) -> bytes:
    document = rng.choice(_documents(rng))
    for _ in range(rng.choice((0, 1, 1, 2))):
        document = mutated_json(rng, document)
    return json.dumps(document).encode()


def _feed_request(data: bytes) -> bool:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    accepted = False
    for kind in (AvatarRequest, FramesRequest, Health, Info):
        try:
            found = kind.from_json(document)
        except ProtocolError:
            continue
        accepted = True
        assert kind.from_json(orjson.loads(orjson.dumps(found.to_json()))) == found
    return Health.from_infer(document) is not None or accepted


_ERRORS = (ProtocolError,)
TARGETS = (
    Target(
        "binary",
        lambda rng: _make_stream(BINARY, rng),
        lambda data: _feed_stream(binary.Decoder, data),
        _ERRORS,
        seal_binary,
    ),
    Target(
        "ndjson",
        lambda rng: _make_stream(NDJSON, rng),
        lambda data: _feed_stream(ndjson.Decoder, data),
        _ERRORS,
        seal_lines,
    ),
    Target("infer", _make_answer, _feed_answer, _ERRORS),
    Target("crops", _make_crop, _feed_crop, (FrameShapeError,)),
    Target("requests", _make_request, _feed_request, _ERRORS),
)
