"""Turned and scaled squares of a picture for musetalk_fast.kernels.affine."""

from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport isfinite
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t

include "view.pxi"

cdef extern from "affine.h" nogil:
    ctypedef struct mtf_picture:
        const uint8_t *data
        ptrdiff_t stride
        int width
        int height
    void mtf_affine(const mtf_picture *picture, const double *map, int side, float *patch)

cdef enum:
    MOST = 1 << 15


def use(int level):
    """There is one form, of the baseline."""


def used():
    """The level of the form that is taken."""
    return 0


def sample(picture, map, int side, patch):
    """As `reference.affine.sample`."""
    cdef double numbers[6]
    cdef mtf_picture given
    cdef Py_buffer pixels
    cdef _View made = _View(patch, True)
    if not 0 < side <= MOST or made.view.len != <ptrdiff_t> side * side * 12 or len(map) != 6:
        raise ValueError("the patch is not of its side")
    for place in range(6):
        numbers[place] = map[place]
        if not isfinite(numbers[place]):
            raise ValueError("the map is not finite")
    PyObject_GetBuffer(picture, &pixels, PyBUF_STRIDES)
    try:
        if (
            pixels.ndim != 3 or pixels.itemsize != 1 or pixels.shape[2] != 3
            or pixels.strides[2] != 1 or pixels.strides[1] != 3
            or not 0 < pixels.shape[0] <= MOST or not 0 < pixels.shape[1] <= MOST
        ):
            raise ValueError("the picture is not of packed pixels")
        given.data = <const uint8_t *> pixels.buf
        given.stride = pixels.strides[0]
        given.width, given.height = <int> pixels.shape[1], <int> pixels.shape[0]
        with nogil:
            mtf_affine(&given, numbers, side, <float *> made.view.buf)
    finally:
        PyBuffer_Release(&pixels)
