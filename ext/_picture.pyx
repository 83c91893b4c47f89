# cython: boundscheck=False, wraparound=False
"""Whole pictures for musetalk_fast.kernels.picture."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int16_t, int32_t, uint8_t

from rows cimport mtf_conversion, mtf_plane, mtf_rows_use

include "planes.pxi"

cdef extern from "picture.h" nogil:
    int mtf_picture(const uint8_t *rgb, int width, int height, const mtf_conversion *conversion,
                    int chroma_x, int chroma_y, const mtf_plane *planes, int level)

cdef int _level = 0


def use(int level):
    """Take the best forms at or below `level`."""
    global _level
    _level = mtf_rows_use(level).level


def used():
    """The level of the forms that are taken."""
    return _level


def picture_to_planes(const uint8_t[:, :, ::1] rgb, planes, conversion):
    """As `reference.picture.picture_to_planes`."""
    cdef int height = rgb.shape[0], width = rgb.shape[1], failed
    cdef int chroma_x = planes.layout.chroma_x, chroma_y = planes.layout.chroma_y
    cdef mtf_conversion colours = _conversion(conversion)
    cdef _Frame frame = _Frame(planes.layout, width, height)
    if rgb.shape[2] != 3 or height < 1 or width < 1:
        raise ValueError("the picture has no pixels")
    try:
        frame.open(planes.buffers, planes.strides)
        with nogil:
            failed = mtf_picture(
                &rgb[0, 0, 0], width, height, &colours, chroma_x, chroma_y, frame.planes, _level
            )
    finally:
        frame.close()
    if failed:
        raise MemoryError("no memory for a row of the picture")


use(0)
