"""The body of `POST /infer`, read without objects for what is not asked for."""

from __future__ import annotations

import base64
import json
import tracemalloc
from fractions import Fraction

import pytest

from musetalk_fast.errors import ProtocolError
from musetalk_fast.wire import json_scanner
from musetalk_fast.wire.infer_request import read_infer_request

FILES = {"image": base64.b64encode(b"a picture").decode(), "audio": ""}
N = 1 << 20


def _body(**members: object) -> bytearray:
    return bytearray(json.dumps(FILES | members).encode())


def test_a_body() -> None:
    body = _body(fps=29.97, bbox_shift=-3, other={"a": [1, "]}", None]}, more="x" * 100_000)
    read = read_infer_request(body, 240)
    assert {name: bytes(data) for name, data in read.files.items()} == {
        "image": b"a picture",
        "audio": b"",
    }
    assert (read.fps, read.bbox_shift) == (Fraction(29.97).limit_denominator(1001), -3)
    assert not body  # its memory is free
    read = read_infer_request(_body(fps=None, bbox_shift=None), 240)
    assert (read.fps, read.bbox_shift) == (25, 0)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"", "whole JSON object"),
        (b'{"image":"', "whole JSON object"),
        (b"{} {}", "whole JSON object"),
        (b"[]", "an object"),
        (b'{"image":"","image":""}', "twice"),
        (b'{"image":5}', "base64"),
        (b'{"image":"####"}', "base64"),
        (b'{"image":""}', "audio is missing"),
        (b'{"image":"","audio":"","fps":"25"}', "fps must be a number"),
        (b'{"image":"","audio":"","bbox_shift":1001}', "bbox_shift must be"),
    ],
)
def test_what_is_refused(text: bytes, word: str) -> None:
    with pytest.raises(ProtocolError, match=word) as caught:
        read_infer_request(bytearray(text), 240)
    assert "response" not in caught.value.message


@pytest.mark.parametrize(
    "bomb",
    [
        b"[" * N,
        b'{"x":' + b"[" * N,
        b'{"x":' + b'{"a":' * (N // 5),
        b'{"x":[' + b"{}," * (N // 3),
        b'{"x":[' + b"0," * (N // 2),
        b'{"x":{' + b",".join(b'"%d":0' % number for number in range(N // 8)),
        b"{" + b",".join(b'"%d":[]' % number for number in range(N // 10)),
        b"{" + b",".join(b'"%d":[%s0]' % (n, b"0," * 2000) for n in range(N // 4000)),
        b'{"fps":' + b"1" * N,
        b'{"fps":"' + b"1" * N,
    ],
    ids=range(10),
)
def test_a_bomb_costs_little_more_than_its_bytes(
    bomb: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_scanner, "_MAX_SKIPPED_VALUES", 500)  # measuring takes its time
    body = bytearray(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            read_infer_request(body, 240)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(bomb) + (1 << 20)
