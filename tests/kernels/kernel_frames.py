"""Frames, faces and guarded memory for the kernels' tests."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import LAYOUTS, PixelLayout, Planes
from musetalk_fast.types import Box, Face

Bytes = NDArray[np.uint8]


def random_bytes(count: int, seed: int) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, count, dtype=np.uint8)


def row_bytes(layout: PixelLayout, plane: int, width: int) -> int:
    own = [n for n, component in enumerate(layout.components) if component.plane == plane] or [0]
    return max(
        layout.components[n].offset
        + (layout.size(n, width, 2)[0] - 1) * layout.components[n].step
        + layout.sample_bytes
        for n in own
    )


def plane_rows(layout: PixelLayout, plane: int, height: int) -> int:
    chroma = any(component.plane == plane for component in layout.components[1:])
    return layout.size(1 if chroma else 0, 2, height)[1]


def make_planes(layout: PixelLayout, width: int, height: int, seed: int, slack: int = 0) -> Planes:
    """Planes of random samples, their rows `slack` bytes longer than needed."""
    buffers, strides = [], []
    for plane in range(layout.planes):
        stride = row_bytes(layout, plane, width) + slack * layout.sample_bytes
        data = random_bytes(plane_rows(layout, plane, height) * stride, seed + plane)
        if layout.depth > 8:
            samples = data.view("<u2")
            samples[...] = (samples & ((1 << layout.depth) - 1)) << layout.shift
        buffers.append(data)
        strides.append(stride)
    return Planes(layout, width, height, buffers, strides)


def equal_planes(one: Planes, other: Planes) -> bool:
    pairs = zip(one.buffers, other.buffers, strict=True)
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)


NARROW = 40
"""Most pixels: shorter than one vector, just beyond two, and what lies between."""


@st.composite
def faces(draw: st.DrawFn, width: int, height: int, largest: int = 600) -> Face:
    """Boxes that touch the frame, often reaching beyond it, with a mask somewhere inside both.

    Some masks are narrow and lie at the box's left or right edge: of the crop they need a few
    columns only.
    """
    box_width, box_height = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    x = draw(st.integers(1 - box_width, width - 1))
    edge = draw(st.sampled_from(["none", "left", "right"]))
    x = {"none": x, "left": max(x, 0), "right": min(x, width - box_width)}[edge]
    y = draw(st.integers(1 - box_height, height - 1))
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + box_width, width), min(y + box_height, height)
    mask_x, mask_y = draw(st.integers(left, right - 1)), draw(st.integers(top, bottom - 1))
    mask_width = draw(st.integers(1, right - mask_x))
    if edge != "none":
        mask_width = draw(st.integers(1, min(NARROW, right - left)))
        mask_x = left if edge == "left" else right - mask_width
    mask_height = draw(st.integers(1, bottom - mask_y))
    kind = draw(st.sampled_from(["full", "noise", "holes"]))
    mask = random_bytes(mask_width * mask_height, draw(st.integers(0, 99)))
    if kind == "full":
        mask[:] = 255
    if kind == "holes":
        mask[mask < 160] = 0
    return Face(
        0,
        Box(x, y, box_width, box_height),
        Box(mask_x, mask_y, mask_width, mask_height),
        mask.reshape(mask_height, mask_width),
    )


layouts = st.sampled_from(list(LAYOUTS.values()))


class Guarded:
    """Memory between two pages that fault: `at_end(n)` ends, `at_start(n)` begins at one."""

    def __init__(self, size: int) -> None:
        page = mmap.PAGESIZE
        inner = -(-max(size, 1) // page) * page
        self._map = mmap.mmap(-1, inner + 2 * page)
        whole = np.frombuffer(self._map, np.uint8)
        self._inner = whole[page : page + inner]
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        for address in (whole.ctypes.data, whole.ctypes.data + page + inner):
            if protect(ctypes.c_void_p(address), ctypes.c_size_t(page), 0):
                raise OSError(ctypes.get_errno(), "mprotect failed")

    def at_end(self, data: Bytes) -> Bytes:
        view = self._inner[len(self._inner) - data.size :]
        view[:] = data.reshape(-1)
        return view.reshape(data.shape)

    def at_start(self, data: Bytes) -> Bytes:
        view = self._inner[: data.size]
        view[:] = data.reshape(-1)
        return view.reshape(data.shape)
