#include "yuv.h"

#include <stdlib.h>

static int mean(int a, int b)
{
    return (a + b + 1) >> 1;
}

static void halve_columns(int16_t *row, int width)
{
    for (int x = 0; x < width / 2; x++)
        row[x] = (int16_t)mean(row[2 * x], row[2 * x + 1]);
    if (width % 2)
        row[width / 2] = row[width - 1];
}

static void store(const mtf_plane *plane, int y, const int16_t *values, int count)
{
    uint8_t *row = plane->data + y * plane->stride;
    int lost = MTF_VALUE_BITS - plane->depth, half = 1 << (lost - 1), top = mtf_top(plane->depth);
    for (int x = 0; x < count; x++, row += plane->step) {
        int value = values[x] < 0 ? 0 : values[x] > top ? top : values[x];
        int sample = (value + half) >> lost << plane->shift;
        row[0] = (uint8_t)sample;
        if (plane->depth > 8)
            row[1] = (uint8_t)(sample >> 8);
    }
}

/* Chroma of two rows (or one, twice) into the first. */
static void halve_rows(int16_t *row, const int16_t *below, int width)
{
    for (int x = 0; x < width; x++)
        row[x] = (int16_t)mean(row[x], below[x]);
}

int mtf_yuv(const uint8_t *rgb, int width, int height, const mtf_conversion *conversion,
                int chroma_x, int chroma_y, const mtf_plane planes[3], int level)
{
    mtf_rows forms = mtf_rows_use(level);
    size_t padded = (size_t)mtf_padded(width);
    int16_t *scratch = calloc(6 * padded, sizeof *scratch);
    if (!scratch)
        return -1;
    int columns = chroma_x ? (width + 1) / 2 : width;
    for (int y = 0; y < height; y++) {
        int odd = chroma_y && y % 2;
        int16_t *rows[3], *first[3];
        for (int component = 0; component < 3; component++) {
            first[component] = scratch + (size_t)component * padded;
            rows[component] = first[component] + (odd ? 3 * padded : 0);
        }
        forms.convert(rgb + (ptrdiff_t)y * 3 * width, width, conversion, rows);
        store(&planes[0], y, rows[0], width);
        for (int component = 1; component < 3; component++) {
            if (chroma_x)
                halve_columns(rows[component], width);
            if (odd)
                halve_rows(first[component], rows[component], columns);
            if (!chroma_y || odd || y == height - 1)
                store(&planes[component], y >> chroma_y, first[component], columns);
        }
    }
    free(scratch);
    return 0;
}
