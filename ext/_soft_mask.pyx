"""Polygons as soft masks for musetalk_fast.kernels.soft_mask."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t

include "view.pxi"

cdef extern from "soft_mask.h" nogil:
    ctypedef struct mtf_polygon:
        const double *corners
        int count
    int mtf_soft_mask(const mtf_polygon *outline, const mtf_polygon *hole, int width, int height,
                      int first, const float *taps, int tap_count, int columns, int rows,
                      uint8_t *levels)

cdef enum:
    MOST = 1 << 15


def use(int level):
    """There is one form, of the baseline."""


def used():
    """The level of the form that is taken."""
    return 0


cdef int _count(_View view, int size) except -1:
    """How many items of `size` bytes there are."""
    if view.view.len % size or not 0 < view.view.len // size <= MOST:
        raise ValueError("corners or taps are missing")
    return <int> (view.view.len // size)


def soft_mask(outline, hole, int width, int height, int first, taps, int columns, int rows, levels):
    """As `reference.soft_mask.soft_mask`."""
    cdef _View around = _View(outline, False), out_of = _View(hole, False)
    cdef _View blur = _View(taps, False), made = _View(levels, True)
    cdef mtf_polygon outer, inner
    cdef int tap_count = _count(blur, 4), failed
    outer.corners, outer.count = <const double *> around.view.buf, _count(around, 16)
    inner.corners, inner.count = <const double *> out_of.view.buf, _count(out_of, 16)
    if (
        not 0 < width <= columns <= MOST or not 0 < height <= rows <= MOST
        or not 0 <= first <= height or not tap_count % 2
        or made.view.len != <ptrdiff_t> columns * rows
    ):
        raise ValueError("the sizes do not fit together")
    with nogil:
        failed = mtf_soft_mask(
            &outer, &inner, width, height, first, <const float *> blur.view.buf, tap_count,
            columns, rows, <uint8_t *> made.view.buf,
        )
    if failed:
        raise MemoryError("no memory for a mask")
