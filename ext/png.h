/* PNG's filters undone (PNG specification, third edition, section 9). */
#ifndef MUSETALK_PNG_H
#define MUSETALK_PNG_H

#include <stddef.h>
#include <stdint.h>

/* Undo the filters of `rows` lines into `out`: a line is the filter's number, then `bytes` bytes;
 * `pixel` of them are one pixel. `above` is the row before the first, NULL if there is none.
 * Returns -1, or the first line whose filter is unknown. */
ptrdiff_t mtf_png_unfilter(const uint8_t *lines, size_t rows, size_t bytes, size_t pixel,
                           const uint8_t *above, uint8_t *out);

#endif
