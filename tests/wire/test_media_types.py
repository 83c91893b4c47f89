"""Each wire, message and crop encoding is declared once, and every wire carries all of them."""

from __future__ import annotations

import subprocess
import sys
from binascii import a2b_base64
from pathlib import Path
from typing import Any, get_args

import pytest

import musetalk_fast
from musetalk_fast.types import CropEncoding
from musetalk_fast.wire import media_types, messages
from musetalk_fast.wire.media_types import (
    BINARY,
    INFER,
    NDJSON,
    STREAM_WIRES,
    WIRES,
    StreamWire,
    accepted_by,
    names_of,
)
from musetalk_fast.wire.message_json import KINDS
from musetalk_fast.wire.messages import End, ErrorMessage, FaceMessage, Frame, Message
from musetalk_fast.wire.stream_encoder import StreamEncoder

PACKAGE = Path(musetalk_fast.__file__).parent
TYPES = set(get_args(messages.Message))


def _shown(message: Message) -> dict[str, Any]:
    """Its members; arrays and data as bytes, whatever form the wire gives them."""
    members = {name: getattr(message, name) for name in message.__slots__ if name != "base64"}
    if isinstance(message, Frame):
        members["data"] = a2b_base64(message.data) if message.base64 else bytes(message.data)
    if isinstance(message, FaceMessage) and message.mask is not None:
        members["mask"] = message.mask.tolist()
    return members


def _through(wire: StreamWire, sent: list[Message]) -> list[Message]:
    encoder, decoder = StreamEncoder(wire), wire.codec().Decoder()
    found = [each for message in sent for each in decoder.feed(encoder.encode(message))]
    found += decoder.feed(encoder.end(len(sent)))
    decoder.close()
    return found


def test_every_wire_carries_every_message(stream_wire: StreamWire, messages: list[Message]) -> None:
    *found, end = _through(stream_wire, messages)
    assert [_shown(message) for message in found] == [_shown(message) for message in messages]
    assert isinstance(end, End)
    error = ErrorMessage(code="MTF-X", message="failed", retryable=True, hint="try again")
    decoder = stream_wire.codec().Decoder()
    assert decoder.feed(StreamEncoder(stream_wire).encode(error)) == [error]
    assert {type(message) for message in messages} | {End, ErrorMessage} == TYPES


def test_every_wire_carries_every_encoding(stream_wire: StreamWire) -> None:
    sent: list[Message] = [
        Frame(index=index, source=0, encoding=encoding, data=b"data of a crop")
        for index, encoding in enumerate(CropEncoding)
    ]
    *found, _ = _through(stream_wire, sent)
    assert [_shown(frame) for frame in found] == [_shown(frame) for frame in sent]


def test_the_numbers_of_encodings_are_those_of_the_page() -> None:
    """docs/protocol.md, the header's `encoding`."""
    for encoding, number in {"raw": 1, "jpeg": 2, "png": 3}.items():
        frame = Frame(index=0, source=0, encoding=CropEncoding(encoding), data=b"")
        assert StreamEncoder(BINARY).encode(frame)[6] == number


def test_every_message_but_frames_stands_in_one_table() -> None:
    assert {kind.type for kind in KINDS} == TYPES - {Frame}
    for column in ("type", "name", "number"):
        assert len({getattr(kind, column) for kind in KINDS}) == len(KINDS)


def test_wires_have_names_and_media_types_of_their_own() -> None:
    for column in ("name", "media_type"):
        assert len({getattr(wire, column) for wire in WIRES}) == len(WIRES)


@pytest.mark.parametrize("wire", STREAM_WIRES, ids=lambda wire: wire.name)
def test_no_other_module_spells_a_wire(wire: StreamWire) -> None:
    here = Path(media_types.__file__)
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert (wire.media_type in text) == (path == here), path
        assert (f'"{wire.name}"' in text) == (path == here), path


@pytest.mark.parametrize(
    ("accept", "wire"),
    [
        ("*/*", NDJSON),
        ("application/*;q=0.5", NDJSON),
        (f"text/html, {NDJSON.media_type.upper()}", NDJSON),
        (f"{NDJSON.media_type}, {BINARY.media_type};q=0.1", BINARY),
        (f"*/*, {BINARY.media_type}", BINARY),
        (INFER.media_type, None),
        ("text/html", None),
        ("", None),
    ],
)
def test_accept(accept: str, wire: StreamWire | None) -> None:
    assert accepted_by(accept) == wire


def test_names_in_messages() -> None:
    assert (
        names_of([NDJSON.media_type, "video/mp4", INFER.media_type]) == "ndjson, video/mp4, infer"
    )
    assert names_of([]) == ""


def test_the_registry_is_light() -> None:
    """Settings and the help read it: no decoder, no JSON parser, no NumPy with it."""
    program = (
        "import sys; import musetalk_fast.wire.media_types; "
        "print([name for name in ('numpy', 'orjson', 'musetalk_fast.wire.binary', "
        "'musetalk_fast.wire.ndjson') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
