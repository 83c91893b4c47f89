# cython: boundscheck=False, wraparound=False
"""Scale, convert and blend for musetalk_fast.kernels.paste."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int16_t, int32_t, uint8_t

from rows cimport mtf_conversion, mtf_plane, mtf_rows_use, mtf_taps

include "planes.pxi"

cdef extern from "paste.h" nogil:
    ctypedef struct mtf_grid:
        int x
        int y
        int width
        int height
        mtf_taps columns
        mtf_taps rows
        const int16_t *weights
    ctypedef struct mtf_paste:
        pass
    mtf_paste *mtf_paste_new(const mtf_grid *luma, const mtf_grid *chroma,
                             const mtf_conversion *conversion, int width, int level)
    void mtf_paste_run(mtf_paste *paste, const uint8_t *crop, int first_row,
                       const mtf_plane *planes)
    void mtf_paste_free(mtf_paste *paste)

cdef int _level = 0


def use(int level):
    """Take the best forms at or below `level`; a Paste keeps those of its making."""
    global _level
    _level = mtf_rows_use(level).level


def used():
    """The level of the forms that are taken."""
    return _level


cdef mtf_taps _taps(taps):
    cdef const int32_t[::1] first = taps.first
    cdef const int16_t[:, ::1] weights = taps.weights
    cdef mtf_taps result
    result.count = first.shape[0]
    result.taps = weights.shape[1]
    result.first = &first[0]
    result.weights = &weights[0, 0]
    return result


cdef mtf_grid _grid(grid):
    cdef const int16_t[:, ::1] weights = grid.weights
    cdef mtf_grid result
    result.x = grid.x
    result.y = grid.y
    result.height = weights.shape[0]
    result.width = weights.shape[1]
    result.columns = _taps(grid.columns)
    result.rows = _taps(grid.rows)
    result.weights = &weights[0, 0]
    return result


cdef class Paste:
    """Tables and scratch of one face, for frames of one size. Arguments were checked before."""

    cdef mtf_paste *paste_
    cdef _Frame frame
    cdef ptrdiff_t first
    cdef ptrdiff_t stop
    cdef ptrdiff_t width
    cdef bint busy

    def __cinit__(self, tables, int first, int stop, int crop_width, int width, int height):
        cdef mtf_grid luma = _grid(tables.luma)
        cdef mtf_grid chroma = _grid(tables.chroma)
        cdef mtf_conversion conversion = _conversion(tables.conversion)
        self.busy = False
        self.first, self.stop, self.width = first, stop, crop_width
        self.frame = _Frame(tables.layout, width, height)
        self.paste_ = mtf_paste_new(&luma, &chroma, &conversion, crop_width, _level)
        if self.paste_ is NULL:
            raise MemoryError("no memory for the tables of a face")

    def __dealloc__(self):
        if self.paste_ is not NULL:
            mtf_paste_free(self.paste_)

    def paste(self, const uint8_t[:, :, ::1] crop, ptrdiff_t first_row, buffers, strides):
        """Paste `crop`, whose first row is `first_row`, into the planes in `buffers`."""
        if (
            crop.shape[1] != self.width
            or crop.shape[2] != 3
            or first_row > self.first
            or first_row + crop.shape[0] < self.stop
        ):
            raise ValueError("the crop lacks rows or columns")
        if self.busy:
            raise RuntimeError("two threads are in one Paste; give each its own")
        self.busy = True
        try:
            self.frame.open(buffers, strides)
            with nogil:
                mtf_paste_run(self.paste_, &crop[0, 0, 0], <int> first_row, self.frame.planes)
        finally:
            self.frame.close()
            self.busy = False


use(0)
