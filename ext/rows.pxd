# What rows.h declares, and the planes of a frame opened for a call.

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int16_t, int32_t, uint8_t

cdef extern from "rows.h" nogil:
    ctypedef struct mtf_conversion:
        int16_t coefficients[3][3]
        int32_t offsets[3]
    ctypedef struct mtf_plane:
        uint8_t *data
        ptrdiff_t stride
        int step
        int depth
        int shift
    ctypedef struct mtf_taps:
        int count
        int taps
        const int32_t *first
        const int16_t *weights
    ctypedef struct mtf_rows:
        int level
    mtf_rows mtf_rows_use(int level)
