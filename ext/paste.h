/* Scale, convert and blend a crop into planes, in one pass over its rows. */
#ifndef MUSETALK_PASTE_H
#define MUSETALK_PASTE_H

#include "rows.h"

/* What is written in one component: a rectangle of samples, its taps, its weights. */
typedef struct {
    int x, y, width, height;
    mtf_taps columns, rows;
    const int16_t *weights; /* height x width */
} mtf_grid;

typedef struct mtf_paste mtf_paste;

#define MTF_WHOLE (1 << 15)

enum {
    MTF_ALIKE = 128,    /* reference.paste.ALIKE */
    MTF_UNLIKE_BITS = 10 /* reference.paste.UNLIKE_BITS */
};

/* Tables and scratch of one face; what the grids point to is copied. `width` is that of a crop.
 * NULL: out of memory. */
mtf_paste *mtf_paste_new(const mtf_grid *luma, const mtf_grid *chroma,
                         const mtf_conversion *conversion, int width, int level);

/* Convert the next crops so. */
void mtf_paste_convert(mtf_paste *paste, const mtf_conversion *conversion);

/* Paste a crop whose first row is `first_row` onto the samples of `avatar` into `planes`, which
 * may be the same or lie in other memory; one thread at a time. In place of `crop` may stand
 * `components`: three pictures of `rows` rows of converted pixels, one behind the other. `share`
 * is that of all weights which the crop has, of MTF_WHOLE. `seen` may say what such components are
 * of the avatar's own picture: for each component, as many rows and columns as its grid has. */
void mtf_paste_run(mtf_paste *paste, const uint8_t *crop, const int16_t *components, int rows,
                   int first_row, int share, const int16_t *const *seen,
                   const mtf_plane avatar[3], const mtf_plane planes[3]);

void mtf_paste_free(mtf_paste *paste);

#endif
