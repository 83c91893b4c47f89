"""HDR frames to SDR for musetalk_fast.kernels.tone_map."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int16_t, uint8_t, uint16_t

from rows cimport mtf_conversion, mtf_plane

include "view.pxi"
include "planes.pxi"

cdef extern from "tone_map.h" nogil:
    enum:
        MTF_TONE_CODES
        MTF_TONE_FRACTION
        MTF_TONE_COLOUR_SHIFT
        MTF_CROP_LEVELS
        MTF_CROP_NODES
        MTF_CROP_PLACE_BITS
    ctypedef struct mtf_tone_table:
        int side
        const uint16_t *axis
        const int16_t *luma
        const int16_t *colour
    void mtf_tone_map(const mtf_tone_table *table, int width, int height,
                      const mtf_plane *source, const mtf_plane *target)
    void mtf_crop_map(const uint16_t *axis, const int16_t *nodes, const uint8_t *rgb, int count,
                      int16_t *components)


def use(int level):
    """There is one form, of the baseline."""


def used():
    """The level of the form that is taken."""
    return 0


cdef class ToneMap:
    """A table, opened once; serves several threads at a time."""

    cdef mtf_tone_table table
    cdef _View axis
    cdef _View luma
    cdef _View colour

    def __cinit__(self, table):
        cdef int side = table.side
        cdef ptrdiff_t cells = <ptrdiff_t> side * side
        cdef int code
        self.axis = _View(table.axis, False)
        self.luma = _View(table.luma, False)
        self.colour = _View(table.colour, False)
        if (
            not 0 < side <= MTF_TONE_CODES
            or self.axis.view.len != 2 * MTF_TONE_CODES
            or self.luma.view.len != 8 * MTF_TONE_CODES * cells
            or self.colour.view.len != 16 * (MTF_TONE_CODES >> MTF_TONE_COLOUR_SHIFT) * cells
        ):
            raise ValueError("the parts of the table do not fit together")
        self.table.side = side
        self.table.axis = <const uint16_t *> self.axis.view.buf
        self.table.luma = <const int16_t *> self.luma.view.buf
        self.table.colour = <const int16_t *> self.colour.view.buf
        for code in range(MTF_TONE_CODES):
            if self.table.axis[code] >> MTF_TONE_FRACTION >= side:
                raise ValueError("the table's axis leads out of it")

    def map(self, source, target):
        """As `reference.tone_map.tone_map`; the planes were checked."""
        cdef int width = source.width, height = source.height
        cdef _Frame given = _Frame(source.layout, width, height)
        cdef _Frame made = _Frame(target.layout, width, height)
        try:
            given.open(source.buffers, source.strides, False)
            made.open(target.buffers, target.strides, True)
            with nogil:
                mtf_tone_map(&self.table, width, height, given.planes, made.planes)
        finally:
            given.close()
            made.close()


cdef class CropMap:
    """A table of crops, opened once; serves several threads at a time."""

    cdef _View axis
    cdef _View nodes

    def __cinit__(self, table):
        cdef int level
        cdef const uint16_t *axis
        self.axis = _View(table.axis, False)
        self.nodes = _View(table.nodes, False)
        if (
            self.axis.view.len != 2 * MTF_CROP_LEVELS
            or self.nodes.view.len != 8 * MTF_CROP_NODES * MTF_CROP_NODES * MTF_CROP_NODES
        ):
            raise ValueError("the parts of the table do not fit together")
        axis = <const uint16_t *> self.axis.view.buf
        for level in range(MTF_CROP_LEVELS):
            if axis[level] >> MTF_CROP_PLACE_BITS >= MTF_CROP_NODES - 1:
                raise ValueError("the table's axis leads out of it")

    def map(self, crop, components):
        """As `reference.tone_map.crop_map`."""
        cdef _View pixels = _View(crop, False)
        cdef _View made = _View(components, True)
        cdef ptrdiff_t count = pixels.view.len // 3
        if pixels.view.len != 3 * count or made.view.len != 6 * count or count > 1 << 28:
            raise ValueError("the components are not those of the crop")
        with nogil:
            mtf_crop_map(
                <const uint16_t *> self.axis.view.buf, <const int16_t *> self.nodes.view.buf,
                <const uint8_t *> pixels.view.buf, <int> count, <int16_t *> made.view.buf,
            )
