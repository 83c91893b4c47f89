/* A square of a picture, turned and scaled: musetalk_fast/kernels/reference/affine.py. */
#ifndef MUSETALK_AFFINE_H
#define MUSETALK_AFFINE_H

#include <stddef.h>
#include <stdint.h>

/* RGB pixels, rows `stride` bytes apart. */
typedef struct {
    const uint8_t *data;
    ptrdiff_t stride;
    int width, height;
} mtf_picture;

/* `side` x `side` RGB pixels. `map` carries (column, row, 1) of the patch, the centre of the first
 * pixel being (0.5, 0.5), to a column and to a row of the picture. */
void mtf_affine(const mtf_picture *picture, const double map[6], int side, float *patch);

#endif
