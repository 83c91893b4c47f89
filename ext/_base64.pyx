# cython: boundscheck=False, wraparound=False
"""Base64 for musetalk_fast.kernels.base64."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t

cdef extern from "base64.h" nogil:
    int mtf_base64_use(int level)
    ptrdiff_t mtf_base64_decode(const uint8_t *text, size_t size, int padding, uint8_t *out)

cdef int _level = 0


def use(int level):
    """Take the best form at or below `level`."""
    global _level
    _level = mtf_base64_use(level)


def used():
    """The level of the form that is taken."""
    return _level


def decode(const uint8_t[::1] text, int padding, uint8_t[::1] out):
    """As `reference.base64.decode`."""
    cdef ptrdiff_t size = text.shape[0], wrong = -1
    if size % 4 or not 0 <= padding <= 2 or out.shape[0] < size // 4 * 3 - padding:
        raise ValueError("sizes that do not fit")
    if size:
        with nogil:
            wrong = mtf_base64_decode(&text[0], size, padding, &out[0])
    return wrong


use(0)
