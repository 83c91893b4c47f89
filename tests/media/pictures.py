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


def tiff(tags: dict[int, tuple[int, ...]], pixels: bytes, order: str = "<") -> bytes:
    """A TIFF; in `tags`, 0 of tag 273 or 324 grows by where the pixels are."""

    def built(start: int) -> bytes:
        offset = 8 + 2 + 12 * len(tags) + 4
        entries = extra = b""
        for tag, values in sorted(tags.items()):
            wide = tag in (273, 279, 324, 325)
            moved = [value + start if tag in (273, 324) else value for value in values]
            raw = struct.pack(f"{order}{len(moved)}{'I' if wide else 'H'}", *moved)
            head = struct.pack(f"{order}HHI", tag, 4 if wide else 3, len(moved))
            if len(raw) > 4:
                entries += head + struct.pack(f"{order}I", offset + len(extra))
                extra += raw
            else:
                entries += head + raw.ljust(4, b"\0")
        return (
            struct.pack(f"{order}4sIH", b"II*\0" if order == "<" else b"MM\0*", 8, len(tags))
            + entries
            + bytes(4)
            + extra
        )

    return built(len(built(0))) + pixels


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _profile(kind: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 2.1, for D50."""
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s28x", at + len(body), 0x02100000, kind, space, pcs, b"acsp")
    return (head + _fixed(0.9642, 1, 0.8249)).ljust(128, b"\0") + table + body


ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
"""Primaries as XYZ, brought to D50."""


def gamma_curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def srgb_curve() -> bytes:
    code = np.linspace(0, 1, 1024)
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    levels = np.rint(light * 65535).astype(">u2").tobytes()
    return b"curv\0\0\0\0" + struct.pack(">I", 1024) + levels


def rgb_profile(
    primaries: tuple[tuple[float, ...], ...], curve: bytes, more: dict[bytes, bytes] | None = None
) -> bytes:
    tags = {
        name + b"XYZ": b"XYZ \0\0\0\0" + _fixed(*values)
        for name, values in zip((b"r", b"g", b"b"), primaries, strict=True)
    }
    tags |= {name + b"TRC": curve for name in (b"r", b"g", b"b")} | (more or {})
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": gamma_curve(gamma)})


def chain(steps: int) -> bytes:
    """As many matrices that change nothing, one after the other, in the place of one (mpet)."""
    matrix = b"matf\0\0\0\0" + struct.pack(">HH12f", 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
    places = struct.pack(">II", 16 + 8 * steps, len(matrix)) * steps
    return b"mpet\0\0\0\0" + struct.pack(">HHI", 3, 3, steps) + places + matrix


def wide_profile() -> bytes:
    """Gamma 2.2 and the primaries of Adobe RGB (1998), brought to D50."""
    return rgb_profile(ADOBE, gamma_curve(2.2))


def ink_profile() -> bytes:
    """CMYK of which only black counts: from L* 100 to 0."""
    return _ink_profile(b"".join(bytes((0 if at % 2 else 255, 128, 128)) for at in range(16)), 2)


def press_profile() -> bytes:
    """CMYK whose inks are strong, not pure, and darken each other more than by their sum."""
    steps = np.linspace(0, 1, 9)
    cyan, magenta, yellow, black = np.meshgrid(*[steps] * 4, indexing="ij")
    paper = 1 - 0.97 * black
    light = 100 * (1 - 0.6 * cyan) * (1 - 0.55 * magenta) * (1 - 0.08 * yellow) * paper
    red_green = (75 * magenta - 37 * cyan - 6 * yellow) * paper
    yellow_blue = (93 * yellow - 50 * cyan - 4 * magenta) * paper
    lab = np.stack([light * 2.55, red_green + 128, yellow_blue + 128], axis=-1)
    return _ink_profile(np.rint(lab).clip(0, 255).astype(np.uint8).tobytes(), len(steps))


def _ink_profile(grid: bytes, steps: int) -> bytes:
    lut = b"mft1\0\0\0\0" + bytes((4, 3, steps, 0)) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut += bytes(range(256)) * 4 + grid + bytes(range(256)) * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut})


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
