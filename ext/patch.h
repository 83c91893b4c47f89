/* A square of a picture, turned and scaled: musetalk_fast/kernels/reference/patch.py. */
#ifndef MUSETALK_PATCH_H
#define MUSETALK_PATCH_H

#include <stddef.h>
#include <stdint.h>

/* RGB pixels, rows `stride` bytes apart. */
typedef struct {
    const uint8_t *data;
    ptrdiff_t stride;
    int width, height;
} mtf_picture;

/* Where a square lies: column u and row v of it show what is at the column
 * `cos[u] - sin[v] + x` and the row `sin[u] + cos[v] + y` of the picture. */
typedef struct {
    const float *cos, *sin;
    float x, y;
    int side;
} mtf_square;

/* Write its RGB pixels. */
void mtf_patch(const mtf_picture *picture, const mtf_square *square, float *patch);

#endif
