"""Where a video frame's samples lie: pixel layouts and planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.buffers import Bytes, readable, writable

MAX_SIDE = 1 << 15
"""Largest side of a box and of a frame, in pixels; the kernels count samples in 32 bits."""

ALPHA = 3
"""Number of the component beside Y, Cb and Cr."""

_ALIGNMENT = 64
"""Bytes: a row begins where the widest vectors do."""


class Component(NamedTuple):
    """The samples of Y, Cb, Cr or alpha.

    Attributes:
        plane: number of the plane they lie in.
        offset: bytes from the start of a row to the first sample.
        step: bytes from one sample to the next.
    """

    plane: int
    offset: int
    step: int


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How a pixel format lays out its samples; names are FFmpeg's.

    Attributes:
        name: FFmpeg's name of the format.
        components: Y, Cb, Cr. Alpha is not among them: no kernel touches it.
        alpha: as large as Y; None where the format has none.
        planes: how many planes the format has, alpha's included.
        depth: bits of a sample; above 8 a sample is 16 bits, little endian.
        shift: bits below the sample in its 16 (P010 keeps its 10 on top).
        chroma_x, chroma_y: log2 of the luma samples a chroma sample covers.
    """

    name: str
    components: tuple[Component, Component, Component]
    alpha: Component | None = None
    planes: int = 3
    depth: int = 8
    shift: int = 0
    chroma_x: int = 0
    chroma_y: int = 0

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return 1 if self.depth == 8 else 2

    @property
    def all_components(self) -> tuple[Component, ...]:
        """Y, Cb, Cr, and alpha (number 3) where there is one."""
        return self.components if self.alpha is None else (*self.components, self.alpha)

    def size(self, component: int, width: int, height: int) -> tuple[int, int]:
        """(columns, rows) of a component's samples in a frame of `width` x `height` pixels."""
        if component in (0, ALPHA):
            return width, height
        return -(-width >> self.chroma_x), -(-height >> self.chroma_y)


def _planar(sample: int) -> tuple[Component, Component, Component]:
    return Component(0, 0, sample), Component(1, 0, sample), Component(2, 0, sample)


def _semiplanar(sample: int) -> tuple[Component, Component, Component]:
    return Component(0, 0, sample), Component(1, 0, 2 * sample), Component(1, sample, 2 * sample)


def check_size(width: int, height: int) -> None:
    """Refuse a frame of another size than the kernels take.

    Raises:
        ValueError: a side is not in 1..`MAX_SIDE`.
    """
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ValueError(f"a frame of {width}x{height} pixels; sides go from 1 to {MAX_SIDE}")


LAYOUTS: dict[str, PixelLayout] = {
    layout.name: layout
    for layout in (
        PixelLayout("yuv420p", _planar(1), chroma_x=1, chroma_y=1),
        PixelLayout("yuv422p", _planar(1), chroma_x=1),
        PixelLayout("yuv444p", _planar(1)),
        PixelLayout("nv12", _semiplanar(1), planes=2, chroma_x=1, chroma_y=1),
        PixelLayout("yuv420p10le", _planar(2), depth=10, chroma_x=1, chroma_y=1),
        PixelLayout("p010le", _semiplanar(2), planes=2, depth=10, shift=6, chroma_x=1, chroma_y=1),
        PixelLayout("yuv422p10le", _planar(2), depth=10, chroma_x=1),
        PixelLayout("yuv444p10le", _planar(2), depth=10),
        PixelLayout("yuva420p", _planar(1), Component(3, 0, 1), planes=4, chroma_x=1, chroma_y=1),
        PixelLayout("yuva444p", _planar(1), Component(3, 0, 1), planes=4),
        PixelLayout("yuva444p10le", _planar(2), Component(3, 0, 2), planes=4, depth=10),
    )
}


def with_alpha(layout: PixelLayout) -> PixelLayout:
    """The planar layout of the same samples that has alpha."""
    name = {"nv12": "yuv420p", "p010le": "yuv420p10le"}.get(layout.name, layout.name)
    sample = layout.sample_bytes
    alpha = Component(3, 0, sample)
    name = name.replace("yuv", "yuva")
    return replace(layout, name=name, components=_planar(sample), alpha=alpha, planes=4, shift=0)


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """The planes of one frame, in the caller's memory.

    Attributes:
        layout: one of `LAYOUTS`.
        width, height: pixels of the frame.
        buffers: writable, C-contiguous, one per plane (`av.VideoFrame.planes` are such).
        strides: bytes from one row to the next, per plane, not below the bytes of a row.
        opacity: (height, width) uint8 where an avatar was laid over something else: 255 where only
            the avatar is seen, 0 where only the other. None: only the avatar is.

    Raises:
        ValueError: a side is not in 1..`MAX_SIDE`; a plane is missing, read-only, or too small for
            its rows.
    """

    layout: PixelLayout
    width: int
    height: int
    buffers: Sequence[Bytes]
    strides: Sequence[int]
    opacity: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        check_size(self.width, self.height)
        if not len(self.buffers) == len(self.strides) == self.layout.planes:
            raise ValueError(
                f"{self.layout.name} has {self.layout.planes} planes; "
                f"got {len(self.buffers)} buffers and {len(self.strides)} strides"
            )
        for number, component in enumerate(self.layout.all_components):
            self._check(number, component.plane)

    @classmethod
    def allocate(cls, layout: PixelLayout, width: int, height: int) -> Planes:
        """Planes in new memory: opaque, and 0 in everything else."""
        strides, rows = [0] * layout.planes, [0] * layout.planes
        for number, component in enumerate(layout.all_components):
            row = _row_bytes(layout, number, width, height)
            strides[component.plane] = -(-row // _ALIGNMENT) * _ALIGNMENT
            rows[component.plane] = layout.size(number, width, height)[1]
        buffers = [_aligned(stride * count) for stride, count in zip(strides, rows, strict=True)]
        planes = cls(layout, width, height, buffers, strides)
        if layout.alpha is not None:
            planes.samples(ALPHA)[...] = (1 << layout.depth) - 1 << layout.shift
        return planes

    def _check(self, number: int, plane: int) -> None:
        rows = self.layout.size(number, self.width, self.height)[1]
        needed = _row_bytes(self.layout, number, self.width, self.height)
        size, stride = len(writable(f"plane {plane}", self.buffers[plane])), self.strides[plane]
        if stride < needed:
            raise ValueError(f"plane {plane}: stride {stride} is below a row's {needed} bytes")
        if size < stride * (rows - 1) + needed:
            raise ValueError(
                f"plane {plane} has {size} bytes; {rows} rows of stride {stride} "
                f"need {stride * (rows - 1) + needed}"
            )

    def copy(self) -> Planes:
        """The same samples in memory of their own."""
        buffers = [readable("a plane", buffer).copy() for buffer in self.buffers]
        return Planes(self.layout, self.width, self.height, buffers, self.strides)

    def copy_to(self, other: Planes) -> None:
        """Write all samples, alpha's too, into planes of the same layout and size.

        Raises:
            ValueError: they are of another.
        """
        if (self.layout, self.width, self.height) != (other.layout, other.width, other.height):
            raise ValueError(
                f"planes are {self.layout.name} {self.width}x{self.height}, "
                f"not {other.layout.name} {other.width}x{other.height}"
            )
        for number in range(len(self.layout.all_components)):
            other.samples(number)[...] = self.samples(number)

    def samples(self, component: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """A component's samples as they lie, (rows, columns), a writable view of its plane."""
        place = self.layout.all_components[component]
        columns, rows = self.layout.size(component, self.width, self.height)
        dtype = np.dtype(np.uint8 if self.layout.sample_bytes == 1 else "<u2")
        view: NDArray[np.uint8] | NDArray[np.uint16] = np.ndarray(
            (rows, columns),
            dtype,
            writable(f"plane {place.plane}", self.buffers[place.plane]).data,
            place.offset,
            (self.strides[place.plane], place.step),
        )
        return view


def _row_bytes(layout: PixelLayout, number: int, width: int, height: int) -> int:
    """From the start of a row to the end of a component's last sample."""
    component, columns = layout.all_components[number], layout.size(number, width, height)[0]
    return component.offset + (columns - 1) * component.step + layout.sample_bytes


def _aligned(size: int) -> NDArray[np.uint8]:
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size]
