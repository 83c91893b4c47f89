"""Kernels: whatever the input, every native form does what the NumPy reference does."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from sealing import seal_lines
from target import Target

from musetalk_fast.errors import ProtocolError
from musetalk_fast.kernels import native
from musetalk_fast.kernels.base64 import Base64Error, decode_into, decoded_size
from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.kernels.lines import frame_line
from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.paste_tables import tables
from musetalk_fast.kernels.planes import LAYOUTS, PixelLayout, Planes
from musetalk_fast.kernels.reference import base64 as base64_reference
from musetalk_fast.kernels.reference import crc32c as crc32c_reference
from musetalk_fast.kernels.reference import lines as lines_reference
from musetalk_fast.kernels.reference import paste as paste_reference
from musetalk_fast.kernels.reference import yuv as picture_reference
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import conversion
from musetalk_fast.types import Box, CropEncoding, Face, Rows
from musetalk_fast.wire import ndjson
from musetalk_fast.wire.messages import Frame

SIDE = 256
_SEED_BYTES = 12
"""Of a kernel whose input is no text: everything is drawn by a generator with this seed."""


class PlanesError(Exception):
    """Planes that are too small were refused."""


def forms(kernel: str) -> Iterator[ModuleType]:
    """A native kernel at each instruction set; nothing where it is not built."""
    assert kernel in native.KERNELS, f"there is no kernel {kernel}"
    module = native.load(kernel)
    if module is None:
        return
    before = module.used()
    try:
        for level in range(len(native.SETS)):
            module.use(level)
            yield module
    finally:
        module.use(before)


def exact(data: bytes) -> NDArray[np.uint8]:
    """The bytes in memory of exactly their size, where a sanitizer sees what lies beyond."""
    return np.frombuffer(data, np.uint8).copy()


def _size(rng: random.Random, edges: tuple[int, ...], spread: int) -> int:
    """A size around one of the places where a kernel changes its step."""
    return max(0, rng.choice(edges) + rng.randint(-spread, spread))


def _make_base64(rng: random.Random) -> bytes:
    return base64.b64encode(rng.randbytes(_size(rng, (0, 24, 48, 96, 108, 1536), 13)))


def _feed_base64(data: bytes) -> bool:
    text = exact(data)
    size = decoded_size(text)
    expected = np.empty(size, np.uint8)
    wrong = base64_reference.decode(text, len(text) // 4 * 3 - size, expected)
    for number, kernel in enumerate(forms("base64")):
        buffer = np.full(size + 32 * (number % 2), 7, np.uint8)
        written = kernel.decode(text, buffer)
        assert written == (size if wrong < 0 else -1), (kernel.used(), written, wrong)
        assert wrong >= 0 or np.array_equal(buffer[:size], expected), kernel.used()
        assert (buffer[size:] == 7).all(), kernel.used()
    return decode_into(text, np.empty(size, np.uint8)) == size


def _make_line(rng: random.Random) -> bytes:
    rows, width = rng.randint(0, 4), rng.randint(1, 6)
    encoding = rng.choice(list(CropEncoding))
    size = rows * width * 3 if encoding is CropEncoding.RAW else rng.randint(0, 40)
    frame = Frame(
        index=rng.choice((0, 7, rng.getrandbits(32))),
        source=rng.choice((0, 3, rng.getrandbits(32))),
        encoding=encoding,
        data=rng.randbytes(size),
        rows=Rows(rng.randint(0, SIDE), rows),
        width=width,
    )
    return ndjson.encode(frame)


def _feed_line(data: bytes) -> bool:
    rng, found = random.Random(data), None
    for end in (len(data), rng.randint(0, len(data))):
        text = exact(data[:end])
        for start in (0, rng.randint(0, end)):
            expected = lines_reference.frame_line(text, start, SIDE)
            for kernel in forms("lines"):
                assert kernel.frame_line(text, start, SIDE) == expected, (kernel.used(), end, start)
            found = found or expected
        assert frame_line(text, 0, SIDE) == lines_reference.frame_line(text, 0, SIDE)
    return found is not None


def _make_crc32c(rng: random.Random) -> bytes:
    return rng.randbytes(_size(rng, (0, 8, 768, 11904, 12288, 24576), 70))


def _feed_crc32c(data: bytes) -> bool:
    rng = random.Random(data)
    value, cut = rng.getrandbits(32), rng.randint(0, len(data))
    expected = crc32c_reference.crc32c(exact(data), value)
    for kernel in forms("crc32c"):
        assert kernel.crc32c(exact(data), value) == expected, kernel.used()
        joined = kernel.crc32c(exact(data[cut:]), kernel.crc32c(exact(data[:cut]), value))
        assert joined == expected, (kernel.used(), cut)
    return crc32c(data, value) == expected


def seed_of(rng: random.Random) -> bytes:
    return rng.randbytes(_SEED_BYTES)


def random_samples(rng: random.Random, count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(rng.getrandbits(32)).integers(0, 256, count, np.uint8)


def any_planes(rng: random.Random, layout: PixelLayout, width: int, height: int) -> Planes:
    """Planes that end with their last sample; some are too small, which must be refused."""
    buffers, strides = [], []
    for plane in range(layout.planes):
        own = [n for n, part in enumerate(layout.components) if part.plane == plane] or [0]
        parts = [(layout.components[n], *layout.size(n, width, height)) for n in own]
        row = max(part.offset + (w - 1) * part.step + layout.sample_bytes for part, w, _ in parts)
        stride = row + layout.sample_bytes * rng.choice((0, 0, 1, 7, 31))
        data = random_samples(rng, stride * (parts[0][2] - 1) + row)
        if layout.depth > 8:
            codes = data.view("<u2")
            codes[...] = (codes & (1 << layout.depth) - 1) << layout.shift
        buffers.append(data)
        strides.append(stride)
    if rng.random() < 0.05:
        number = rng.randrange(layout.planes)
        buffers[number] = buffers[number][:-1].copy()
    try:
        return Planes(layout, width, height, buffers, strides)
    except ValueError as error:
        raise PlanesError(str(error)) from None


def equal_planes(one: Planes, other: Planes) -> bool:
    return all(map(np.array_equal, one.buffers, other.buffers))


def any_face(rng: random.Random, width: int, height: int) -> Face:
    """A face that reaches into the frame, its mask anywhere inside both; one in twenty outside."""
    box_width, box_height = (rng.choice((rng.randint(1, 40), rng.randint(1, 600))) for _ in "xy")
    x, y = rng.randint(1 - box_width, width - 1), rng.randint(1 - box_height, height - 1)
    left, right = max(x, 0), min(x + box_width, width)
    top, bottom = max(y, 0), min(y + box_height, height)
    mask_x, mask_y = rng.randrange(left, right), rng.randrange(top, bottom)
    inner = Box(mask_x, mask_y, rng.randint(1, right - mask_x), rng.randint(1, bottom - mask_y))
    mask = random_samples(rng, inner.width * inner.height).reshape(inner.height, inner.width)
    if rng.random() < 0.5:
        mask[mask < rng.randint(0, 256)] = 0
    if rng.random() < 0.05:
        inner = inner._replace(x=inner.x + rng.randint(-40, 40), y=inner.y + rng.randint(-40, 40))
    return Face(0, Box(x, y, box_width, box_height), inner, mask)


def _feed_paste(data: bytes) -> bool:
    rng = random.Random(data)
    layout = rng.choice(list(LAYOUTS.values()))
    width, height, sharp = rng.randint(1, 160), rng.randint(1, 120), rng.random() < 0.3
    face, before = any_face(rng, width, height), any_planes(rng, layout, width, height)
    needed = Paste(face, width, height, layout, sharp=sharp).rows
    first = rng.choice((0, needed.first, max(0, needed.first - 3)))
    stop = rng.choice((needed.first + needed.count - (rng.random() < 0.1), 256))
    whole = random_samples(rng, 256 * 256 * 3).reshape(256, 256, 3)
    crop = whole[first : max(first, stop)]
    expected = before.copy()
    if face.mask.any() and stop >= needed.first + needed.count:
        colours = conversion("bt709", layout.depth, full_range=False)
        prepared = tables(face, (width, height), layout, colours, sharp=sharp)
        paste_reference.paste(prepared, whole, 0, before, expected)
    for kernel in forms("paste"):
        paste = Paste(face, width, height, layout, sharp=sharp)
        in_place, onto_another = before.copy(), before.copy()
        paste.paste(crop, first, in_place)
        paste.paste(crop, first, onto_another, before)
        assert equal_planes(in_place, expected), kernel.used()
        assert equal_planes(onto_another, expected), kernel.used()
    return True


def _feed_yuv(data: bytes) -> bool:
    rng = random.Random(data)
    layout = rng.choice(list(LAYOUTS.values()))
    width, height = rng.randint(1, 70), rng.randint(1, 20)
    matrix, full = rng.choice(("bt601", "bt709")), rng.random() < 0.5
    rgb = random_samples(rng, width * height * 3).reshape(height, width, 3)
    before = any_planes(rng, layout, width, height)
    expected = before.copy()
    colours = conversion(matrix, layout.depth, full_range=full)
    picture_reference.rgb_to_planes(rgb, expected, colours)
    for kernel in forms("yuv"):
        planes = before.copy()
        rgb_to_planes(rgb, planes, matrix=matrix, full_range=full)
        assert equal_planes(planes, expected), kernel.used()
    return True


TARGETS = (
    Target("base64", _make_base64, _feed_base64, (Base64Error,)),
    Target("lines", _make_line, _feed_line, seal=seal_lines),
    Target("crc32c", _make_crc32c, _feed_crc32c),
    Target("paste", seed_of, _feed_paste, (ProtocolError, PlanesError)),
    Target("yuv", seed_of, _feed_yuv, (PlanesError,)),
)
