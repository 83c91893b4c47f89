"""PNG's filters for musetalk_fast.kernels.png."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t

include "view.pxi"

cdef extern from "png.h" nogil:
    ptrdiff_t mtf_png_unfilter(uint8_t *lines, size_t rows, size_t bytes, size_t pixel)


def use(int level):
    """There is one form: each byte needs the one before it."""


def used():
    """The baseline."""
    return 0


def unfilter(lines, size_t pixel):
    """As `reference.png.unfilter`."""
    cdef _View target = _View(lines, True)
    cdef size_t rows = lines.shape[0], line = lines.shape[1]
    cdef ptrdiff_t wrong
    if line < 2 or rows * line != <size_t> target.view.len:
        raise ValueError(f"lines are {lines.shape}; they must be (rows, 1 + bytes) uint8")
    with nogil:
        wrong = mtf_png_unfilter(<uint8_t *> target.view.buf, rows, line - 1, pixel)
    return wrong
