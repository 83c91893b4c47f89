# cython: boundscheck=False, wraparound=False
"""CRC-32C for musetalk_fast.kernels.crc32c."""

from libc.stdint cimport uint8_t, uint32_t

cdef extern from "crc32c.h" nogil:
    int mtf_crc32c_use(int level)
    uint32_t mtf_crc32c(uint32_t value, const uint8_t *data, size_t size)

cdef int _level = 0


def use(int level):
    """Take the best form at or below `level`."""
    global _level
    _level = mtf_crc32c_use(level)


def used():
    """The level of the form that is taken."""
    return _level


def crc32c(const uint8_t[::1] data, uint32_t value):
    """The checksum of `data` behind bytes whose checksum is `value`."""
    with nogil:
        value = mtf_crc32c(value, &data[0], data.shape[0])
    return value


use(0)
