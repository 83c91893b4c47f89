"""Picture files made by hand or by Pillow."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 70, 66
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""Colour types of a PNG."""


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    samples: NDArray[Any],
    depth: int,
    colour_type: int,
    *chunks: bytes,
    size: tuple[int, int] | None = None,
) -> bytes:
    """A PNG of (H, W) or (H, W, n) samples, by the book; `size` is what its header claims."""
    height, width = samples.shape[:2]
    rows = samples.reshape(height, -1).astype(">u2" if depth == 16 else np.uint8)
    if depth < 8:
        bits = rows[..., None] >> np.arange(depth - 1, -1, -1) & 1
        rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", *(size or (width, height)), depth, colour_type, 0, 0, 0)
    parts = (chunk(b"IHDR", head), *chunks, chunk(b"IDAT", zlib.compress(lines)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def eight_bits(samples: NDArray[Any], depth: int) -> NDArray[Any]:
    return np.rint(samples * (255 / ((1 << depth) - 1)))


def over(
    rgb: NDArray[Any], alpha: NDArray[Any], behind: tuple[int, int, int] = (255, 255, 255)
) -> NDArray[Any]:
    """8-bit colours over a background, in floats."""
    weight = np.asarray(alpha, float)[..., None] / 255
    return np.rint(rgb * weight + np.array(behind) * (1 - weight))


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """What Pillow makes of it."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def tiff(tags: dict[int, tuple[int, ...]], pixels: bytes) -> bytes:
    """A little-endian TIFF; in `tags`, 0 of tag 273 or 324 grows by where the pixels are."""

    def built(start: int) -> bytes:
        offset = 8 + 2 + 12 * len(tags) + 4
        entries = extra = b""
        for tag, values in sorted(tags.items()):
            wide = tag in (273, 279, 324, 325)
            moved = [value + start if tag in (273, 324) else value for value in values]
            raw = struct.pack(f"<{len(moved)}{'I' if wide else 'H'}", *moved)
            head = struct.pack("<HHI", tag, 4 if wide else 3, len(moved))
            if len(raw) > 4:
                entries += head + struct.pack("<I", offset + len(extra))
                extra += raw
            else:
                entries += head + raw.ljust(4, b"\0")
        return struct.pack("<4sIH", b"II*\0", 8, len(tags)) + entries + bytes(4) + extra

    return built(len(built(0))) + pixels


def damaged(data: bytes, seed: int) -> bytes:
    """Bytes flipped, replaced or cut away at random; half of the time in the first 300."""
    random = np.random.default_rng(seed)
    bad = bytearray(data)
    reach = min(len(bad), 300) if random.random() < 0.5 else len(bad)
    place = int(random.integers(reach))
    match int(random.integers(4)):
        case 0:
            bad[place] ^= 1 << int(random.integers(8))
        case 1:
            bad[place : place + 4] = random.bytes(4)
        case 2:
            del bad[place:]
        case _:
            del bad[place : place + int(random.integers(1, 3000))]
    return bytes(bad)
