# cython: boundscheck=False, wraparound=False
"""PNG's filters for musetalk_fast.kernels.png."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t

cdef extern from "png.h" nogil:
    ptrdiff_t mtf_png_unfilter(uint8_t *lines, size_t rows, size_t bytes, size_t pixel)


def use(int level):
    """There is one form: each byte needs the one before it."""


def used():
    """The baseline."""
    return 0


def unfilter(uint8_t[:, ::1] lines, size_t pixel):
    """As `reference.png.unfilter`."""
    cdef ptrdiff_t wrong
    if lines.shape[0] == 0 or lines.shape[1] < 2:
        raise ValueError("no lines")
    with nogil:
        wrong = mtf_png_unfilter(&lines[0, 0], lines.shape[0], lines.shape[1] - 1, pixel)
    return wrong
