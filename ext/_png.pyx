"""PNG's filters for musetalk_fast.kernels.png."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t

include "view.pxi"

cdef extern from "png.h" nogil:
    ptrdiff_t mtf_png_unfilter(const uint8_t *lines, size_t rows, size_t bytes, size_t pixel,
                               const uint8_t *above, uint8_t *out)


def use(int level):
    """There is one form: each byte needs the one before it."""


def used():
    """The baseline."""
    return 0


def unfilter(lines, size_t pixel, above, out):
    """As `reference.png.unfilter`."""
    cdef _View source = _View(lines, False)
    cdef _View target = _View(out, True)
    cdef _View before = None if above is None else _View(above, False)
    cdef size_t rows = lines.shape[0], line = lines.shape[1]
    cdef const uint8_t *row = NULL
    cdef ptrdiff_t wrong
    if line <= pixel or rows * line != <size_t> source.view.len:
        raise ValueError(f"lines are {lines.shape}; they must be (rows, 1 + bytes) uint8")
    if <size_t> target.view.len != rows * (line - 1):
        raise ValueError("out is not of the lines' size")
    if before is not None:
        if <size_t> before.view.len != line - 1:
            raise ValueError("the row above is not of a line's size")
        row = <const uint8_t *> before.view.buf
    with nogil:
        wrong = mtf_png_unfilter(
            <const uint8_t *> source.view.buf, rows, line - 1, pixel, row,
            <uint8_t *> target.view.buf,
        )
    return wrong
