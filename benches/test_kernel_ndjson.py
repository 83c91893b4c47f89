"""A frame's line of the NDJSON wire becomes the pixels of its crop; our checksum is in our time."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import numpy as np
import orjson
import pybase64
import pytest

from musetalk_fast.types import CROP_SIZE, Crop, CropEncoding
from musetalk_fast.wire import ndjson
from musetalk_fast.wire.crop_codec import CropReader
from musetalk_fast.wire.messages import Frame

GIVEN = "a raw 256x256 crop of noise, 262256 bytes in one piece"


@pytest.fixture
def line() -> bytes:
    crop = np.random.default_rng(1).integers(0, 256, (CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8)
    return ndjson.encode(Frame(index=7, source=0, encoding=CropEncoding.RAW, data=crop.tobytes()))


class _Ours:
    def __init__(self, line: bytes) -> None:
        self._line = line
        self._decoder = ndjson.Decoder()
        self._reader = CropReader()

    def __call__(self) -> Crop:
        (frame,) = self._decoder.feed(self._line)
        assert isinstance(frame, Frame)
        return np.asarray(self._reader.read(frame)).reshape(-1, CROP_SIZE, 3)


def _pixels(members: dict[str, Any], data: bytes) -> Crop:
    return np.frombuffer(data, np.uint8).reshape(members["rows"][1], members["width"], 3)


def _orjson_and_pybase64(line: bytes) -> Crop:
    members = orjson.loads(line)
    return _pixels(members, pybase64.b64decode(members["data"], validate=True))


def _json_and_base64(line: bytes) -> Crop:
    members = json.loads(line)
    return _pixels(members, base64.b64decode(members["data"]))


def test_against_orjson_and_pybase64(compare: Any, line: bytes) -> None:
    ours = _Ours(line)
    np.testing.assert_array_equal(ours(), _orjson_and_pybase64(line))
    compare(
        "kernel/ndjson-frame",
        GIVEN,
        ours,
        "orjson.loads, pybase64.b64decode(validate=True)",
        lambda: _orjson_and_pybase64(line),
        rounds=3000,
    )


def test_against_the_standard_library(compare: Any, line: bytes) -> None:
    ours = _Ours(line)
    np.testing.assert_array_equal(ours(), _json_and_base64(line))
    compare(
        "kernel/ndjson-frame-stdlib",
        GIVEN,
        ours,
        "json.loads, base64.b64decode",
        lambda: _json_and_base64(line),
        rounds=1000,
        rival_every=4,
        timer=time.process_time,
    )
