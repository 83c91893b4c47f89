/* A part of a 4:2:0 frame as RGB: musetalk_fast/kernels/reference/rgb.py. */
#ifndef MUSETALK_RGB_H
#define MUSETALK_RGB_H

#include <stddef.h>
#include <stdint.h>

/* Samples of 8 bits of one component. */
typedef struct {
    const uint8_t *data;
    ptrdiff_t stride;
    int columns, rows;
} mtf_samples;

typedef struct {
    int black, luma, cr_to_red, cb_to_green, cr_to_green, cb_to_blue;
} mtf_inverse;

/* `width` x `height` packed pixels from (left, top) on of a frame with Y, Cb and Cr, both sides of
 * chroma half as large. Returns 0, or -1 for lack of memory. */
int mtf_rgb(const mtf_samples planes[3], int left, int top, int width, int height,
            const mtf_inverse *inverse, uint8_t *rgb, int level);

/* The level of the form that is taken at or below `level`. */
int mtf_rgb_level(int level);

#endif
