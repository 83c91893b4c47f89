"""Decodes pictures whose proof failed and compares them with the band encoder's intent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.h264 import Layout
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.planes import Planes
from musetalk_fast.video.band import MACROBLOCK
from musetalk_fast.video.compositor import planes_of

Samples: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]


class LeakError(UnsupportedStreamError):
    """A picture shows something else in the full video than in the band's."""


def check_pictures(
    composed: Iterable[bytes], band: Iterable[bytes], headers: tuple[bytes, bytes], layout: Layout
) -> None:
    """Decode the packets of a GOP, and those of its band alone.

    Args:
        composed: packets of full pictures, in the order of decoding; so `band`.
        headers: SPS and PPS of both, Annex B.

    Raises:
        LeakError: a sample of the band differs, or a row above or below it has changed; the
            message has the picture's number in the order of display.
    """
    first: Planes | None = None
    shown = zip_longest(_decoded(composed, headers[0]), _decoded(band, headers[1]))
    for number, (full, alone) in enumerate(shown):
        if full is None or alone is None:
            raise LeakError(f"picture {number} of the band or of the video is missing")
        if first is None:
            first = full.copy()
        for plane in range(3):
            _check_plane(number, _split(full, plane, layout), alone, first, plane, layout)


def _check_plane(
    number: int,
    parts: tuple[Samples, ...],
    alone: Planes,
    first: Planes,
    plane: int,
    layout: Layout,
) -> None:
    above, band, below = parts
    height, width = band.shape
    if not np.array_equal(band, alone.samples(plane)[:height, :width]):
        raise LeakError(f"picture {number} reads from rows outside of the band")
    was_above, _, was_below = _split(first, plane, layout)
    if not (np.array_equal(above, was_above) and np.array_equal(below, was_below)):
        raise LeakError(f"picture {number} changes rows outside of the band")


def _split(planes: Planes, plane: int, layout: Layout) -> tuple[Samples, ...]:
    """The samples above the band, of it, and below it."""
    side = MACROBLOCK >> (1 if plane else 0)
    first, end = layout.first_row * side, (layout.first_row + layout.rows) * side
    samples = planes.samples(plane)
    return samples[:first], samples[first:end], samples[end:]


def _decoded(packets: Iterable[bytes], headers: bytes) -> Iterator[Planes]:
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    decoder.extradata = headers
    try:
        for packet in packets:
            yield from map(planes_of, decoder.decode(av.Packet(packet)))
        yield from map(planes_of, decoder.decode(None))
    except av.FFmpegError as error:
        raise LeakError(f"a picture cannot be decoded: {error.strerror or error}") from error
