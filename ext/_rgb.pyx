"""Parts of 4:2:0 frames as RGB for musetalk_fast.kernels.rgb."""

from cpython.buffer cimport PyBUF_STRIDES
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t

include "view.pxi"

cdef extern from "rgb.h" nogil:
    ctypedef struct mtf_samples:
        const uint8_t *data
        ptrdiff_t stride
        int columns
        int rows
    ctypedef struct mtf_inverse:
        int black
        int luma
        int cr_to_red
        int cb_to_green
        int cr_to_green
        int cb_to_blue
    int mtf_rgb(const mtf_samples *planes, int left, int top, int width, int height,
                const mtf_inverse *inverse, uint8_t *rgb, int level)
    int mtf_rgb_level(int level)

cdef enum:
    MOST = 1 << 15

cdef int _level = 0


def use(int level):
    """Take the best form at or below `level`."""
    global _level
    _level = mtf_rgb_level(level)


def used():
    """The level of the form that is taken."""
    return _level


cdef int _open(samples, Py_buffer *view, mtf_samples *plane) except -1:
    """Rows of bytes, however far apart."""
    PyObject_GetBuffer(samples, view, PyBUF_STRIDES)
    if (
        view.ndim != 2 or view.itemsize != 1 or view.strides[1] != 1
        or not 0 < view.shape[0] <= MOST or not 0 < view.shape[1] <= MOST
    ):
        PyBuffer_Release(view)
        raise ValueError("the samples are no rows of bytes")
    plane.data, plane.stride = <const uint8_t *> view.buf, view.strides[0]
    plane.rows, plane.columns = <int> view.shape[0], <int> view.shape[1]
    return 0


def to_rgb(luma, cb, cr, int left, int top, inverse, rgb):
    """As `reference.rgb.to_rgb`."""
    cdef Py_buffer views[3]
    cdef mtf_samples planes[3]
    cdef mtf_inverse by
    cdef int opened = 0, failed
    cdef int height = rgb.shape[0], width = rgb.shape[1]
    cdef _View made = _View(rgb, True)
    by.black, by.luma, by.cr_to_red, by.cb_to_green, by.cr_to_green, by.cb_to_blue = inverse
    try:
        for component in range(3):
            _open((luma, cb, cr)[component], &views[component], &planes[component])
            opened += 1
        if (
            planes[0].columns != 2 * planes[1].columns or planes[0].rows != 2 * planes[1].rows
            or planes[1].columns != planes[2].columns or planes[1].rows != planes[2].rows
        ):
            raise ValueError("chroma is not half as wide and high as luma")
        if (
            made.view.len != <ptrdiff_t> width * height * 3
            or not 0 <= left <= planes[0].columns - width
            or not 0 <= top <= planes[0].rows - height
            or width < 1 or height < 1
        ):
            raise ValueError("the part does not lie in the frame")
        with nogil:
            failed = mtf_rgb(
                planes, left, top, width, height, &by, <uint8_t *> made.view.buf, _level
            )
    finally:
        for component in range(opened):
            PyBuffer_Release(&views[component])
    if failed:
        raise MemoryError("no memory for a row of the picture")


use(0)
