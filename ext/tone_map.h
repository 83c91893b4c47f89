/* HDR frames to SDR by a table: musetalk_fast/kernels/reference/tone_map.py. */
#ifndef MUSETALK_TONE_MAP_H
#define MUSETALK_TONE_MAP_H

#include "rows.h"

enum {
    MTF_TONE_CODES = 1024,   /* tone_map.CODES */
    MTF_TONE_FRACTION = 5,   /* tone_map.FRACTION_BITS */
    MTF_TONE_COLOUR_SHIFT = 2 /* tone_map.COLOUR_SHIFT */
};

/* `luma` has 4 values and `colour` 2 x 4 per cell and luma code; cells are `side` x `side`. */
typedef struct {
    int side;
    const uint16_t *axis;
    const int16_t *luma;
    const int16_t *colour;
} mtf_tone_table;

/* Both sides even; samples of 10 bits to samples of 8, chroma halved both ways. */
void mtf_tone_map(const mtf_tone_table *table, int width, int height, const mtf_plane source[3],
                  const mtf_plane target[3]);

enum {
    MTF_CROP_LEVELS = 256,
    MTF_CROP_NODES = 33,        /* tone_map.NODES */
    MTF_CROP_PLACE_BITS = 6     /* tone_map.PLACE_BITS */
};

/* `count` RGB pixels to three rows of `count` components of 14 bits, one behind the other.
 * `axis` has, by level, the node below times 64, plus where between it and the next, 0 to 32;
 * `nodes` has 4 values for each red, green and blue. */
void mtf_crop_map(const uint16_t *axis, const int16_t *nodes, const uint8_t *rgb, int count,
                  int16_t *components);

#endif
