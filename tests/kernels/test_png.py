from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from kernel_frames import Guarded, random_bytes
from PIL import Image

from musetalk_fast.kernels.png import (
    SIGNATURE,
    PngError,
    decode_png,
    decode_png_into,
    encode_png,
    pixels_only,
)

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
        (png(header(4, 4), chunk(b"QQQQ", b"")), "unknown critical chunk"),
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


@pytest.mark.parametrize("kind", range(5))
def test_every_filter_is_undone(kind: int) -> None:
    lines = random_bytes(9 * (1 + 7 * 3), 2).reshape(9, -1)
    lines[:, 0] = kind
    data = png(header(7, 9, 8, 2, 0, 0, 0), chunk(b"IDAT", zlib.compress(lines.tobytes())))
    np.testing.assert_array_equal(decode_png(data, LIMIT), np.array(Image.open(io.BytesIO(data))))


def test_threads_decode_at_the_same_time() -> None:
    pictures = [random_bytes(64 * 80 * 3, seed).reshape(64, 80, 3) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda data: decode_png(data, LIMIT), map(encode_png, pictures))
        for out, picture in zip(found, pictures, strict=True):
            np.testing.assert_array_equal(out, picture)


def test_a_bomb_is_not_inflated_beyond_its_header() -> None:
    bomb = png(header(4, 4), chunk(b"IDAT", zlib.compress(bytes(50_000_000), 9)))
    with pytest.raises(PngError, match="more pixels"):
        decode_png(bomb, LIMIT)


def test_a_crop_goes_into_the_callers_array_with_bounded_memory_beside_it() -> None:
    crop = random_bytes(256 * 256 * 3, 5).reshape(256, 256, 3)
    crop[:128] //= 64
    data, out = encode_png(crop), np.zeros_like(crop)
    decode_png_into(data, out)
    tracemalloc.start()
    try:
        decode_png_into(data, out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(out, crop)
    assert peak < 5 * crop.nbytes, "the inflated lines twice, and what Pillow gives out"


def test_another_shape_is_refused_before_anything_is_written() -> None:
    data = encode_png(np.zeros((4, 6, 3), np.uint8))
    for shape in ((6, 4, 3), (4, 6), (4, 18), (5, 6, 3)):
        out = np.full(shape, 7, np.uint8)
        with pytest.raises(PngError):
            decode_png_into(data, out)
        assert (out == 7).all()
    with pytest.raises(ValueError, match="must be uint8, C-contiguous"):
        decode_png_into(data, np.zeros((4, 12, 3), np.uint8)[:, ::2])


def test_reads_nothing_outside() -> None:
    for shape in ((3, 5, 3), (70, 90), (1, 3000)):
        picture = random_bytes(int(np.prod(shape)), 3).reshape(shape)
        data = np.frombuffer(encode_png(picture), np.uint8)
        out = Guarded(picture.size).at_end(np.zeros_like(picture))
        decode_png_into(Guarded(len(data)).at_end(data), out)
        np.testing.assert_array_equal(out, picture)


@pytest.mark.parametrize(
    "picture", [np.zeros((2, 2, 4), np.uint8), np.zeros(4, np.uint8), np.zeros((2, 2), np.int16)]
)
def test_encodes_grey_and_rgb_only(picture: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        encode_png(picture)


def test_only_what_makes_pixels_is_kept() -> None:
    rgb = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    plain = encode_png(rgb)
    assert pixels_only(plain) is plain
    text = SIGNATURE + plain[8:33] + chunk(b"zTXt", b"a\0\0junk") + plain[33:]
    assert pixels_only(text) == plain
    assert pixels_only(text.replace(b"junk", b"Junk")) == plain, "its checksum is not verified"
    for broken in (b"", plain[:-1], plain[:40] + b"\0" + plain[41:]):
        with pytest.raises(PngError):
            pixels_only(broken)
