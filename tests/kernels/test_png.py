from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_frames import random_bytes
from PIL import Image

from musetalk_fast.kernels import native
from musetalk_fast.kernels.png import SIGNATURE, PngError, decode_png, encode_png
from musetalk_fast.kernels.reference import png as reference

LIMIT = 1 << 20


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def header(width: int, height: int, *rest: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *(rest or (8, 0, 0, 0, 0))))


def png(*chunks: bytes) -> bytes:
    return SIGNATURE + b"".join(chunks) + chunk(b"IEND", b"")


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 300), (1, 1, 3), (33, 17, 3)])
def test_others_read_what_we_write_and_we_what_they_write(shape: tuple[int, ...]) -> None:
    picture = random_bytes(int(np.prod(shape)), 3).reshape(shape)
    data = encode_png(picture)
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(data))), picture)
    np.testing.assert_array_equal(decode_png(data, LIMIT), picture)
    theirs = io.BytesIO()
    Image.fromarray(picture).save(theirs, "png")
    np.testing.assert_array_equal(decode_png(theirs.getvalue(), LIMIT), picture)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.data())
def test_native_filters_equal_the_reference(
    rows: int, columns: int, pixel: int, data: st.DataObject
) -> None:
    lines = random_bytes(rows * (1 + columns * pixel), data.draw(st.integers(0, 999)))
    lines = lines.reshape(rows, -1)
    lines[:, 0] = data.draw(st.lists(st.integers(0, 5), min_size=rows, max_size=rows))
    ours = lines.copy()
    module = native.load("png")
    assert module is not None
    assert module.unfilter(ours, pixel) == reference.unfilter(lines, pixel)
    np.testing.assert_array_equal(ours, lines)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "signature"),
        (b"GIF89a" + bytes(60), "signature"),
        (SIGNATURE, "cut short"),
        (png(header(50_000, 50_000)), "50000x50000 pixels; the limit is 1048576"),
        (png(header(0, 5)), "0x5 pixels"),
        (png(chunk(b"IDAT", b"")), "does not begin with its header"),
        (png(header(4, 4, 16, 0, 0, 0, 0)), "16 bits"),
        (png(header(4, 4, 8, 6, 0, 0, 0)), "colour type 6"),
        (png(header(4, 4, 8, 0, 0, 0, 1)), "interlace 1"),
        (png(header(4, 4)), "0 bytes of pixels; its header says 20"),
        (png(header(4, 4), chunk(b"IDAT", b"nonsense")), "damaged"),
        (png(header(4, 4), chunk(b"IDAT", zlib.compress(bytes(21)))), "more pixels"),
        (png(header(4, 4), chunk(b"IDAT", zlib.compress(bytes(19)))), "19 bytes of pixels"),
        (png(header(4, 4), chunk(b"IDAT", zlib.compress(b"\x05" + bytes(19)))), "unknown filter"),
        (png(header(4, 4), chunk(b"QQQQ", b"")), "nobody knows"),
    ],
)
def test_refuses_what_is_no_png_of_ours(data: bytes, message: str) -> None:
    with pytest.raises(PngError, match=message):
        decode_png(data, LIMIT)


def test_refuses_every_cut_and_every_flipped_byte() -> None:
    data = encode_png(random_bytes(48, 1).reshape(4, 4, 3))
    for end in range(len(data)):
        with pytest.raises(PngError):
            decode_png(data[:end], LIMIT)
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 0x10
        with pytest.raises(PngError):
            decode_png(broken, LIMIT)


def test_a_bomb_is_not_inflated_beyond_its_header() -> None:
    bomb = png(header(4, 4), chunk(b"IDAT", zlib.compress(bytes(50_000_000), 9)))
    with pytest.raises(PngError, match="more pixels"):
        decode_png(bomb, LIMIT)


@pytest.mark.parametrize(
    "picture", [np.zeros((2, 2, 4), np.uint8), np.zeros(4, np.uint8), np.zeros((2, 2), np.int16)]
)
def test_encodes_grey_and_rgb_only(picture: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        encode_png(picture)
