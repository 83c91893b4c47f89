# The bytes of a caller's buffer, held as long as this object lives. Included by all kernels.

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer


cdef class _View:
    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, data, bint write):
        PyObject_GetBuffer(data, &self.view, PyBUF_WRITABLE if write else PyBUF_SIMPLE)
        self.held = True

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)
