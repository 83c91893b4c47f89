"""Scale, convert and blend for musetalk_fast.kernels.paste."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int16_t, int32_t, uint8_t

from rows cimport mtf_conversion, mtf_plane, mtf_rows_use, mtf_taps

include "view.pxi"
include "planes.pxi"

cdef extern from "paste.h" nogil:
    ctypedef struct mtf_grid:
        int x
        int y
        int width
        int height
        mtf_taps columns
        mtf_taps rows
        const int16_t *weights
    ctypedef struct mtf_paste:
        pass
    mtf_paste *mtf_paste_new(const mtf_grid *luma, const mtf_grid *chroma,
                             const mtf_conversion *conversion, int width, int level)
    void mtf_paste_run(mtf_paste *paste, const uint8_t *crop, const int16_t *components, int rows,
                       int first_row, int share, const int16_t *const *seen,
                       const mtf_plane *avatar, const mtf_plane *planes)
    int MTF_WHOLE
    void mtf_paste_convert(mtf_paste *paste, const mtf_conversion *conversion)
    void mtf_paste_free(mtf_paste *paste)

cdef int _level = 0


def use(int level):
    """Take the best forms at or below `level`; a Paste keeps those of its making."""
    global _level
    _level = mtf_rows_use(level).level


def used():
    """The level of the forms that are taken."""
    return _level


cdef list _read_taps(taps, mtf_taps *to):
    cdef _View first = _View(taps.first, False)
    cdef _View weights = _View(taps.weights, False)
    to.count, to.taps = taps.weights.shape
    to.first = <const int32_t *> first.view.buf
    to.weights = <const int16_t *> weights.view.buf
    return [first, weights]


cdef list _read_grid(grid, mtf_grid *to):
    """Point to a grid's arrays; what is returned keeps them."""
    cdef _View weights = _View(grid.weights, False)
    to.x, to.y = grid.x, grid.y
    to.height, to.width = grid.weights.shape
    to.weights = <const int16_t *> weights.view.buf
    return [weights, _read_taps(grid.columns, &to.columns), _read_taps(grid.rows, &to.rows)]


cdef class Paste:
    """Tables and scratch of one face, for frames of one size. Arguments were checked before."""

    cdef mtf_paste *paste_
    cdef _Frame avatar
    cdef _Frame frame
    cdef ptrdiff_t first
    cdef ptrdiff_t stop
    cdef ptrdiff_t width
    cdef ptrdiff_t samples[2]
    cdef bint busy
    cdef bint opened

    def __cinit__(self, tables, int first, int stop, int crop_width, int width, int height):
        cdef mtf_grid luma, chroma
        cdef mtf_conversion conversion
        kept = [_read_grid(tables.luma, &luma), _read_grid(tables.chroma, &chroma)]
        _read_conversion(tables.conversion, &conversion)
        self.first, self.stop, self.width = first, stop, crop_width
        self.samples[0] = <ptrdiff_t> luma.width * luma.height
        self.samples[1] = <ptrdiff_t> chroma.width * chroma.height
        self.avatar = _Frame(tables.layout, width, height)
        self.frame = _Frame(tables.layout, width, height)
        self.paste_ = mtf_paste_new(&luma, &chroma, &conversion, crop_width, _level)
        if self.paste_ is NULL:
            raise MemoryError("no memory for the tables of a face")

    def __dealloc__(self):
        if self.paste_ is not NULL:
            mtf_paste_free(self.paste_)

    def open(self, avatar, planes):
        """Point to the samples that the next crops are blended with and written to."""
        self.begin()
        self.opened = False
        try:
            self.avatar.open(avatar.buffers, avatar.strides, False)
            self.frame.open(planes.buffers, planes.strides, True)
            self.opened = True
        finally:
            self.busy = False

    def convert(self, conversion):
        """Convert the next crops so."""
        cdef mtf_conversion own
        _read_conversion(conversion, &own)
        self.begin()
        mtf_paste_convert(self.paste_, &own)
        self.busy = False

    cdef int begin(self) except -1:
        if self.busy:
            raise RuntimeError("two threads are in one Paste; give each its own")
        self.busy = True
        return 0

    def paste(self, crop, ptrdiff_t first_row, int share):
        """Paste `crop`, whose first row is `first_row`, into the planes of the last `open`.

        Args:
            share: of all weights that the crop has, in parts of 1 << 15.
        """
        cdef _View pixels = _View(crop, False)
        if not self.opened:
            raise ValueError("no planes are open")
        if (
            pixels.view.itemsize != 1
            or not 0 <= share <= MTF_WHOLE
            or not 0 <= first_row <= self.first
            or pixels.view.len < (self.stop - first_row) * self.width * 3
        ):
            raise ValueError("the crop lacks rows")
        self.begin()
        with nogil:
            mtf_paste_run(
                self.paste_, <const uint8_t *> pixels.view.buf, NULL, 0, <int> first_row, share,
                NULL, self.avatar.planes, self.frame.planes,
            )
        self.busy = False

    def paste_components(
        self, components, ptrdiff_t rows, ptrdiff_t first_row, int share, seen=None
    ):
        """As `paste`, of `rows` rows that were converted: Y, Cb and Cr in 14 bits, 16 each.

        Args:
            seen: what the avatar's own picture is as components, three int16 arrays of their grids.
        """
        cdef _View values = _View(components, False)
        cdef const int16_t *own[3]
        cdef const int16_t *const *given = NULL
        cdef _View view
        kept = []
        for component in range(3 if seen is not None else 0):
            view = _View(seen[component], False)
            if view.view.len != 2 * self.samples[component > 0]:
                raise ValueError("what was seen is not of the face's size")
            own[component] = <const int16_t *> view.view.buf
            kept.append(view)
            given = own
        if not self.opened:
            raise ValueError("no planes are open")
        if (
            not 0 <= rows <= 1 << 20
            or not 0 <= share <= MTF_WHOLE
            or not 0 <= first_row <= self.first
            or first_row + rows < self.stop
            or values.view.len != 6 * rows * self.width
        ):
            raise ValueError("the components lack rows")
        self.begin()
        with nogil:
            mtf_paste_run(
                self.paste_, NULL, <const int16_t *> values.view.buf, <int> rows, <int> first_row,
                share, given, self.avatar.planes, self.frame.planes,
            )
        self.busy = False


use(0)
