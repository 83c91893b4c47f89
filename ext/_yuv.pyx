"""Whole pictures for musetalk_fast.kernels.yuv."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t

from rows cimport mtf_conversion, mtf_plane, mtf_rows_use

include "view.pxi"
include "planes.pxi"

cdef extern from "yuv.h" nogil:
    int mtf_yuv(const uint8_t *rgb, int width, int height, const mtf_conversion *conversion,
                    int chroma_x, int chroma_y, const mtf_plane *planes, int level)

cdef int _level = 0


def use(int level):
    """Take the best forms at or below `level`."""
    global _level
    _level = mtf_rows_use(level).level


def used():
    """The level of the forms that are taken."""
    return _level


def rgb_to_planes(rgb, planes, conversion):
    """As `reference.picture.rgb_to_planes`."""
    cdef int height = planes.height, width = planes.width, failed
    cdef int chroma_x = planes.layout.chroma_x, chroma_y = planes.layout.chroma_y
    cdef mtf_conversion colours
    cdef _View pixels = _View(rgb, False)
    cdef _Frame frame = _Frame(planes.layout, width, height)
    if width < 1 or height < 1 or pixels.view.len != <ptrdiff_t> height * width * 3:
        raise ValueError("the picture is not of the planes' size")
    _read_conversion(conversion, &colours)
    try:
        frame.open(planes.buffers, planes.strides, True)
        with nogil:
            failed = mtf_yuv(
                <const uint8_t *> pixels.view.buf, width, height, &colours, chroma_x, chroma_y,
                frame.planes, _level,
            )
    finally:
        frame.close()
    if failed:
        raise MemoryError("no memory for a row of the picture")


use(0)
