"""Frames' lines for musetalk_fast.kernels.lines."""

from libc.stdint cimport uint8_t, uint32_t

include "view.pxi"

cdef extern from "crc32c.h":
    int mtf_crc32c_use(int level)

cdef extern from "lines.h" nogil:
    ctypedef struct mtf_line:
        uint32_t index
        uint32_t source
        int encoding
        uint32_t first_row
        uint32_t rows
        uint32_t width
        size_t data
        size_t data_end
        size_t end
        uint32_t checksum
    int mtf_line_read(const uint8_t *text, size_t size, uint32_t side, mtf_line *line)

cdef int _level = 0


def use(int level):
    """Take the best form of the checksum at or below `level`."""
    global _level
    _level = mtf_crc32c_use(level)


def used():
    """The level of the form that is taken."""
    return _level


def frame_line(text, size_t start, uint32_t side):
    """As `reference.lines.frame_line`."""
    cdef _View source = _View(text, False)
    cdef const uint8_t *data = <const uint8_t *> source.view.buf
    cdef size_t size = source.view.len
    cdef mtf_line line
    cdef bint found
    if start >= size:
        return None
    with nogil:
        found = mtf_line_read(data + start, size - start, side, &line)
    if not found:
        return None
    return (
        line.index, line.source, line.encoding, line.first_row, line.rows, line.width,
        start + line.data, start + line.data_end, start + line.end, line.checksum,
    )


use(0)
