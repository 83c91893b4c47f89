"""Turned and scaled squares of pictures for musetalk_fast.kernels.patch."""

from cpython.buffer cimport PyBUF_STRIDES
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t

include "view.pxi"

cdef extern from "patch.h" nogil:
    ctypedef struct mtf_picture:
        const uint8_t *data
        ptrdiff_t stride
        int width
        int height
    ctypedef struct mtf_square:
        const float *cos
        const float *sin
        float x
        float y
        int side
    void mtf_patch(const mtf_picture *picture, const mtf_square *square, float *patch)

cdef enum:
    MOST = 1 << 15


def use(int level):
    """There is one form, of the baseline."""


def used():
    """The level of the form that is taken."""
    return 0


def sample(picture, cos, sin, float x, float y, patch):
    """As `reference.patch.sample`."""
    cdef Py_buffer pixels
    cdef mtf_picture given
    cdef mtf_square square
    cdef _View along = _View(cos, False), across = _View(sin, False), made = _View(patch, True)
    cdef ptrdiff_t side = along.view.len // 4
    if (
        not 0 < side <= MOST or along.view.len != 4 * side or across.view.len != 4 * side
        or made.view.len != 12 * side * side
    ):
        raise ValueError("the patch is not of the square's side")
    square.cos, square.sin = <const float *> along.view.buf, <const float *> across.view.buf
    square.x, square.y, square.side = x, y, <int> side
    PyObject_GetBuffer(picture, &pixels, PyBUF_STRIDES)
    try:
        if (
            pixels.ndim != 3 or pixels.itemsize != 1 or pixels.shape[2] != 3
            or pixels.strides[2] != 1 or pixels.strides[1] != 3
            or not 0 < pixels.shape[0] <= MOST or not 0 < pixels.shape[1] <= MOST
        ):
            raise ValueError("the picture is not of packed pixels")
        given.data, given.stride = <const uint8_t *> pixels.buf, pixels.strides[0]
        given.height, given.width = <int> pixels.shape[0], <int> pixels.shape[1]
        with nogil:
            mtf_patch(&given, &square, <float *> made.view.buf)
    finally:
        PyBuffer_Release(&pixels)
