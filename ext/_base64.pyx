"""Base64 for musetalk_fast.kernels.base64."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t

include "view.pxi"

cdef extern from "base64.h" nogil:
    int mtf_base64_use(int level)
    ptrdiff_t mtf_base64_decode(const uint8_t *text, size_t size, uint8_t *out, size_t room)

cdef int _level = 0


def use(int level):
    """Take the best form at or below `level`."""
    global _level
    _level = mtf_base64_use(level)


def used():
    """The level of the form that is taken."""
    return _level


def decode(text, out):
    """Decode into `out`; the number of bytes, or -1 where the reference has something to say."""
    cdef _View source = _View(text, False)
    cdef _View target = _View(out, True)
    cdef ptrdiff_t written
    with nogil:
        written = mtf_base64_decode(
            <const uint8_t *> source.view.buf, source.view.len,
            <uint8_t *> target.view.buf, target.view.len,
        )
    return written


use(0)
