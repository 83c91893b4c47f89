"""Composed H.264 pictures for musetalk_fast.kernels.h264."""

from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc

include "view.pxi"

cdef extern from "h264.h" nogil:
    ctypedef struct mtf_h264_syntax:
        uint32_t frame_num_bits
        uint32_t poc_lsb_bits
        uint32_t pps_id
        uint32_t cabac
        uint32_t poc_present
        uint32_t references[2]
        uint32_t weighted_p
        uint32_t weighted_b
        int32_t initial_qp
    ctypedef struct mtf_h264_layout:
        uint32_t width
        uint32_t first_row
        uint32_t rows
        uint32_t total_rows
        uint32_t guard_rows
    ctypedef struct mtf_h264_still:
        const uint8_t *unit
        size_t size
        uint32_t row
    ctypedef struct mtf_h264_picture:
        uint8_t *data
        size_t size
        int is_idr
        int is_proven
    const char *mtf_h264_compose(
        const uint8_t *packet, size_t size, const mtf_h264_syntax *syntax,
        const mtf_h264_layout *layout, const mtf_h264_still *still, size_t still_count,
        uint32_t idr_pic_id, mtf_h264_picture *picture)


def use(int level):
    """There is one form."""


def used():
    """The level of the form that is taken."""
    return 0


def compose(packet, tuple syntax, tuple layout, list still, uint32_t idr_pic_id):
    """As `reference.h264.compose`: its three members, or the reason why not, as a string."""
    cdef _View source = _View(packet, False)
    cdef const uint8_t *data = <const uint8_t *> source.view.buf
    cdef size_t size = source.view.len
    cdef mtf_h264_syntax a
    cdef mtf_h264_layout b
    cdef mtf_h264_picture picture
    cdef size_t count = len(still), i
    cdef const char *error
    cdef bytes unit
    (
        a.frame_num_bits, a.poc_lsb_bits, a.pps_id, a.cabac, a.poc_present,
        a.references[0], a.references[1], a.weighted_p, a.weighted_b, a.initial_qp,
    ) = syntax
    b.width, b.first_row, b.rows, b.total_rows, b.guard_rows = layout
    cdef mtf_h264_still *slices = <mtf_h264_still *> malloc((count + 1) * sizeof(mtf_h264_still))
    if not slices:
        raise MemoryError
    picture.data = NULL
    try:
        for i in range(count):
            unit, slices[i].row = still[i]
            slices[i].unit = unit  # the list keeps it
            slices[i].size = len(unit)
        with nogil:
            error = mtf_h264_compose(data, size, &a, &b, slices, count, idr_pic_id, &picture)
        if error and not error[0]:
            raise MemoryError
        if error:
            return (<bytes> error).decode()
        made = (<char *> picture.data)[:picture.size]
        return made, bool(picture.is_idr), bool(picture.is_proven)
    finally:
        free(slices)
        free(picture.data)
