# The planes of a frame as pointers for the time of one call: checked again, as the kernel trusts
# them. Included, after view.pxi, by the kernels that write planes.


cdef int _read_conversion(conversion, mtf_conversion *to) except -1:
    for component in range(3):
        to.offsets[component] = conversion.offsets[component]
        for colour in range(3):
            to.coefficients[component][colour] = conversion.coefficients[component, colour]
    return 0


cdef class _Frame:
    """Where the samples of a layout and size lie, and the buffers of the call that is on."""

    cdef mtf_plane planes[3]
    cdef int plane_of[3]
    cdef ptrdiff_t offset[3]
    cdef ptrdiff_t row_bytes[3]
    cdef ptrdiff_t rows[3]
    cdef list views

    def __cinit__(self, layout, int width, int height):
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

    cdef int open(self, buffers, strides, bint write) except -1:
        cdef int component, plane
        cdef ptrdiff_t stride, rest, steps
        cdef _View own
        self.views = []
        for component in range(3):
            plane = self.plane_of[component]
            stride = strides[plane]
            own = _View(buffers[plane], write)
            rest = own.view.len - self.row_bytes[component]
            steps = self.rows[component] - 1
            # Divided, as a product may overflow.
            if (
                stride < self.row_bytes[component]
                or rest < 0
                or (steps > 0 and stride > rest // steps)
            ):
                raise ValueError(f"plane {plane} is too small for its rows")
            self.views.append(own)
            self.planes[component].stride = stride
            self.planes[component].data = <uint8_t *> own.view.buf + self.offset[component]
        return 0

    cdef void close(self):
        self.views = None
