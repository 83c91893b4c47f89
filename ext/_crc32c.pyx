"""CRC-32C for musetalk_fast.kernels.crc32c."""

from libc.stdint cimport uint8_t, uint32_t

include "view.pxi"

cdef extern from "crc32c.h" nogil:
    int mtf_crc32c_use(int level)
    uint32_t mtf_crc32c(uint32_t value, const uint8_t *data, size_t size)

cdef int _level = 0
cdef enum:
    SHORT = 1 << 18  # bytes, some 10 us: giving the interpreter up and back takes as long


def use(int level):
    """Take the best form at or below `level`."""
    global _level
    _level = mtf_crc32c_use(level)


def used():
    """The level of the form that is taken."""
    return _level


def crc32c(data, uint32_t value):
    """The checksum of `data` behind bytes whose checksum is `value`."""
    cdef _View source = _View(data, False)
    cdef const uint8_t *bytes = <const uint8_t *> source.view.buf
    if source.view.len < SHORT:
        return mtf_crc32c(value, bytes, source.view.len)
    with nogil:
        value = mtf_crc32c(value, bytes, source.view.len)
    return value


use(0)
