/* Work on single rows of samples, the steps of musetalk_fast/kernels/reference/paste.py: every
 * component in 14 bits between the steps. */
#ifndef MUSETALK_ROWS_H
#define MUSETALK_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum {
    MTF_VALUE_BITS = 14,       /* colour.BITS */
    MTF_COEFFICIENT_BITS = 9,  /* colour.COEFFICIENT_BITS */
    MTF_TAP_BITS = 14,         /* resampling.BITS */
    MTF_WEIGHT_BITS = 15,
    MTF_LANES = 16             /* values in the widest vector: rows are padded to a multiple */
};

static inline int mtf_padded(int count)
{
    return (count + MTF_LANES - 1) / MTF_LANES * MTF_LANES;
}

typedef struct {
    int16_t coefficients[3][3]; /* per component: red, green, blue */
    int32_t offsets[3];
} mtf_conversion;

/* Taps of one axis: output i is the sum of weights[i * taps + k] * input[first[i] + k]. */
typedef struct {
    int count, taps; /* taps is even */
    const int32_t *first;
    const int16_t *weights;
} mtf_taps;

/* Taps of columns, and the same again as vectors take them, eight outputs a group. */
typedef struct {
    mtf_taps plain;
    int near;          /* the inputs of each four outputs lie within eight values */
    int32_t *first;    /* as plain, padded to whole groups */
    int32_t *starts;   /* per group, two: the lowest first of four outputs */
    uint8_t *patterns; /* per group, 32: byte shuffles from starts to pairs of inputs */
    int16_t *weights;  /* per group and pair of taps, 16 */
} mtf_columns;

/* The samples of one component. */
typedef struct {
    uint8_t *data; /* the first sample */
    ptrdiff_t stride;
    int step;  /* bytes from sample to sample */
    int depth; /* bits; above 8, a sample has 16 bits, native little endian */
    int shift; /* bits below it */
} mtf_plane;

typedef struct {
    int level;
    /* `width` RGB pixels to three rows. */
    void (*convert)(const uint8_t *rgb, int width, const mtf_conversion *, int16_t *const out[3]);
    /* May read MTF_LANES values behind the row `in` and writes a padded row. */
    void (*scale_columns)(const int16_t *in, const mtf_columns *, int16_t *out);
    /* `taps` rows to one, clipped to 0..top; `count` is padded. */
    void (*scale_rows)(const int16_t *const *in, const int16_t *weights, int taps, int count,
                       int16_t top, int16_t *out);
    /* `count` samples of `plane` from `row` on, made of those from `old` on, which may be the same
     * ones; weights from -32768 (value) to 0 (old). */
    void (*blend)(const mtf_plane *, const uint8_t *old, uint8_t *row, const int16_t *values,
                  const int16_t *weights, int count);
} mtf_rows;

/* The forms at or below `level`. */
mtf_rows mtf_rows_use(int level);

static inline int16_t mtf_top(int depth)
{
    return (int16_t)(((1 << depth) - 1) << (MTF_VALUE_BITS - depth));
}

#endif
