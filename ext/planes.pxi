# The planes of a frame as pointers for the time of one call: checked again, as the kernel trusts
# them. Included by the kernels that write planes.

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer


cdef mtf_conversion _conversion(conversion):
    cdef mtf_conversion result
    cdef const int16_t[:, ::1] coefficients = conversion.coefficients
    cdef const int32_t[::1] offsets = conversion.offsets
    for component in range(3):
        result.offsets[component] = offsets[component]
        for colour in range(3):
            result.coefficients[component][colour] = coefficients[component, colour]
    return result


cdef class _Frame:
    """Where the samples of a layout and size lie, and the buffers of the call that is on."""

    cdef mtf_plane planes[3]
    cdef Py_buffer views[3]
    cdef int opened
    cdef int plane_of[3]
    cdef ptrdiff_t offset[3]
    cdef ptrdiff_t row_bytes[3]
    cdef ptrdiff_t rows[3]

    def __cinit__(self, layout, int width, int height):
        self.opened = 0
        for component in range(3):
            place = layout.components[component]
            columns, rows = layout.size(component, width, height)
            self.plane_of[component] = place.plane
            self.offset[component] = place.offset
            self.rows[component] = rows
            self.row_bytes[component] = (
                place.offset + (columns - 1) * place.step + layout.sample_bytes
            )
            self.planes[component].step = place.step
            self.planes[component].depth = layout.depth
            self.planes[component].shift = layout.shift

    cdef int open(self, buffers, strides) except -1:
        cdef int component, plane
        cdef ptrdiff_t stride
        for component in range(3):
            plane = self.plane_of[component]
            stride = strides[plane]
            PyObject_GetBuffer(buffers[plane], &self.views[component], PyBUF_WRITABLE)
            self.opened = component + 1
            if (
                stride < self.row_bytes[component]
                or self.views[component].len
                < stride * (self.rows[component] - 1) + self.row_bytes[component]
            ):
                raise ValueError(f"plane {plane} is too small for its rows")
            self.planes[component].stride = stride
            self.planes[component].data = (
                <uint8_t *> self.views[component].buf + self.offset[component]
            )
        return 0

    cdef void close(self):
        while self.opened:
            self.opened -= 1
            PyBuffer_Release(&self.views[self.opened])
