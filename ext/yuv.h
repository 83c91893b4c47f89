/* A whole RGB picture into planes, by the same steps as a paste. */
#ifndef MUSETALK_PICTURE_H
#define MUSETALK_PICTURE_H

#include "rows.h"

/* Convert `height` rows of `width` RGB pixels; a chroma sample is the mean of up to 2 x 2 pixels,
 * as the shifts (0 or 1) say. Returns 0, or -1 for lack of memory. */
int mtf_yuv(const uint8_t *rgb, int width, int height, const mtf_conversion *conversion,
                int chroma_x, int chroma_y, const mtf_plane planes[3], int level);

#endif
