/* A polygon as a soft mask: musetalk_fast/kernels/reference/soft_mask.py. */
#ifndef MUSETALK_SOFT_MASK_H
#define MUSETALK_SOFT_MASK_H

#include <stdint.h>

/* Corners of a polygon: x, y, x, y... */
typedef struct {
    const double *corners;
    int count;
} mtf_polygon;

/* Inside `outline` and not inside `hole`, in `height` rows of `width` pixels from row `first` on;
 * blurred by `taps` (an odd number of them), and enlarged to `rows` of `columns` levels, not fewer.
 * Returns 0, or -1 for lack of memory. */
int mtf_soft_mask(const mtf_polygon *outline, const mtf_polygon *hole, int width, int height,
                  int first, const float *taps, int tap_count, int columns, int rows,
                  uint8_t *levels);

#endif
