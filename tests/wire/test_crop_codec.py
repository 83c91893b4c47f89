"""A frame's bytes become pixels, or a refusal that says why not."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from musetalk_fast.errors import FrameShapeError
from musetalk_fast.kernels.png import encode_png
from musetalk_fast.types import ALL_ROWS, Crop, CropEncoding, Rows
from musetalk_fast.wire.crop_codec import CropReader, encode_crop
from musetalk_fast.wire.messages import Frame

RAW, JPEG, PNG = CropEncoding.RAW, CropEncoding.JPEG, CropEncoding.PNG


@pytest.fixture
def crop() -> Crop:
    y, x = np.mgrid[:256, :256]
    return np.stack([y, x, (x + y) // 2], axis=2).astype(np.uint8)


@pytest.fixture
def reader() -> CropReader:
    return CropReader()


def framed(crop: Crop, encoding: CropEncoding, rows: Rows, *, text: bool) -> Frame:
    data = bytes(encode_crop(crop, encoding, rows))
    if text:
        data = base64.b64encode(data)
    return Frame(index=0, source=0, encoding=encoding, data=data, rows=rows, base64=text)


def seen(view: memoryview) -> Crop:
    return np.asarray(view).reshape(-1, 256, 3)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("rows", [ALL_ROWS, Rows(100, 148), Rows(255, 1)])
@pytest.mark.parametrize("encoding", CropEncoding)
def test_round_trip(
    encoding: CropEncoding, rows: Rows, text: bool, crop: Crop, reader: CropReader
) -> None:
    found = seen(reader.read(framed(crop, encoding, rows, text=text)))
    wanted = crop[rows.first : rows.first + rows.count].astype(int)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= (4 if encoding is JPEG else 0)


def test_raw_bytes_are_not_copied(crop: Crop, reader: CropReader) -> None:
    frame = framed(crop, RAW, ALL_ROWS, text=False)
    found = seen(reader.read(frame))
    assert np.shares_memory(found, np.frombuffer(frame.data, np.uint8))


def test_others_lie_where_the_next_will(crop: Crop, reader: CropReader) -> None:
    cases = [(encoding, text) for encoding in (JPEG, PNG) for text in (False, True)]
    views = [
        seen(reader.read(framed(crop, encoding, ALL_ROWS, text=text)))
        for encoding, text in [*cases, (RAW, True)]
    ]
    assert all(np.shares_memory(view, views[0]) for view in views)


GOOD = Frame(index=7, source=0, encoding=RAW, data=bytes(2 * 256 * 3), rows=Rows(0, 2))
TALL = encode_png(np.zeros((3, 256, 3), np.uint8))


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, data=bytes(2 * 256 * 3 - 1)),
        replace(GOOD, data=bytes(2 * 256 * 3 + 1)),
        replace(GOOD, data=b""),
        replace(GOOD, width=255),
        replace(GOOD, rows=Rows(0, 0)),
        replace(GOOD, rows=Rows(255, 2)),
        replace(GOOD, rows=Rows(0, 60_000)),
        replace(GOOD, data=b"AAAA", base64=True),
        replace(GOOD, data=b"!" * 2048, base64=True),
        replace(GOOD, data=b"A" * 2047, base64=True),
        replace(GOOD, encoding=PNG),
        replace(GOOD, encoding=PNG, data=TALL),
        replace(GOOD, encoding=PNG, data=TALL[:-20]),
        replace(GOOD, encoding=PNG, data=encode_png(np.zeros((2, 256), np.uint8))),
        replace(GOOD, encoding=JPEG),
        replace(GOOD, encoding=JPEG, data=bytes(1 << 20)),
        replace(GOOD, encoding=JPEG, data=b"A" * (1 << 20), base64=True),
        replace(GOOD, encoding=PNG, data=b"AAAA", base64=True),
    ],
)
def test_a_crop_that_is_not_what_its_frame_says(bad: Frame, reader: CropReader) -> None:
    with pytest.raises(FrameShapeError, match="frame 7"):
        reader.read(bad)


def test_what_an_earlier_crop_has_left_is_not_read(crop: Crop, reader: CropReader) -> None:
    """A truncated file is refused, even if its remaining bytes follow in memory."""
    full = framed(crop, PNG, ALL_ROWS, text=True)
    reader.read(full)
    cut = len(full.data) // 2 // 4 * 4
    with pytest.raises(FrameShapeError, match="cut short"):
        reader.read(replace(full, data=full.data[:cut]))
    assert np.array_equal(seen(reader.read(full)), crop)
