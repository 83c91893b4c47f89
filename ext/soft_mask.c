#include "soft_mask.h"

#include <stdlib.h>
#include <string.h>

/* A fused multiply-add rounds once where the reference rounds twice. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

/* Flip `bit` of the pixel where what lies right of an edge begins, for a polygon's edges. */
static void cross(const mtf_polygon *polygon, double y, int width, uint8_t *flips, uint8_t bit)
{
    const double *end = polygon->corners;
    for (int corner = polygon->count - 1; corner >= 0; corner--) {
        const double *start = polygon->corners + 2 * corner;
        if ((start[1] <= y) != (end[1] <= y)) {
            double x = start[0] + (y - start[1]) * (end[0] - start[0]) / (end[1] - start[1]) - 0.5;
            flips[x >= width ? width : x >= 0 ? (int)x + 1 : 0] ^= bit;
        }
        end = start;
    }
}

/* 1 for the pixels of a row whose centres lie inside the outline and outside the hole. */
static void fill(const mtf_polygon *outline, const mtf_polygon *hole, int y, int width,
                 uint8_t *flips, float *row)
{
    memset(flips, 0, (size_t)width + 1);
    cross(outline, y + 0.5, width, flips, 1);
    cross(hole, y + 0.5, width, flips, 2);
    uint8_t inside = 0;
    for (int x = 0; x < width; x++) {
        inside ^= flips[x];
        row[x] = inside == 1;
    }
}

static void add(float *sums, const float *values, float tap, int count)
{
    for (int i = 0; i < count; i++)
        sums[i] += tap * values[i];
}

/* Rows and then columns, beyond which there is nothing; `beside` has `reach` columns more at either
 * end than a row. */
static void blur(const float *sharp, int width, int height, const float *taps, int reach,
                 float *beside, float *soft)
{
    for (int y = 0; y < height; y++) {
        float *middle = beside + reach, *row = soft + (size_t)y * (size_t)width;
        memset(beside, 0, sizeof *beside * (size_t)(width + 2 * reach));
        for (int tap = -reach; tap <= reach; tap++)
            if (y + tap >= 0 && y + tap < height)
                add(middle, sharp + (size_t)(y + tap) * (size_t)width, taps[reach + tap], width);
        memset(row, 0, sizeof *row * (size_t)width);
        for (int tap = 0; tap <= 2 * reach; tap++)
            add(row, beside + tap, taps[tap], width);
    }
}

/* Between which two of `count` values one of `wanted` lies, and how far it is to the second. */
static int between(int at, int wanted, int count, float *share)
{
    double place = (at + 0.5) * count / wanted - 0.5;
    int below = place <= 0 ? 0 : place >= count - 1 ? count - 1 : (int)place;
    *share = place <= 0 || place >= count - 1 ? 0 : (float)(place - below);
    return below;
}

typedef struct {
    int below;
    float share;
} step;

/* `mixed` holds a row and one value more. */
static void enlarge(const float *soft, int width, int height, const step *across, float *mixed,
                    int columns, int rows, uint8_t *levels)
{
    for (int y = 0; y < rows; y++, levels += columns) {
        float share;
        int below = between(y, rows, height, &share);
        const float *one = soft + (size_t)below * (size_t)width;
        const float *other = one + (below + 1 < height ? width : 0);
        for (int x = 0; x < width; x++)
            mixed[x] = one[x] + (other[x] - one[x]) * share;
        mixed[width] = mixed[width - 1];
        for (int x = 0; x < columns; x++) {
            const float *pair = mixed + across[x].below;
            float level = (pair[0] + (pair[1] - pair[0]) * across[x].share) * 255 + 0.5f;
            levels[x] = (uint8_t)(level >= 255 ? 255 : level);
        }
    }
}

int mtf_soft_mask(const mtf_polygon *outline, const mtf_polygon *hole, int width, int height,
                  int first, const float *taps, int tap_count, int columns, int rows,
                  uint8_t *levels)
{
    int reach = tap_count / 2;
    size_t pixels = (size_t)width * (size_t)height;
    float *sharp = calloc(2 * pixels + (size_t)(width + 2 * reach + 1), sizeof *sharp);
    step *across = malloc((size_t)columns * sizeof *across);
    uint8_t *flips = malloc((size_t)width + 1);
    int failed = !sharp || !across || !flips;
    if (!failed) {
        float *soft = sharp + pixels;
        for (int y = first; y < height; y++)
            fill(outline, hole, y, width, flips, sharp + (size_t)y * (size_t)width);
        blur(sharp, width, height, taps, reach, soft + pixels, soft);
        for (int x = 0; x < columns; x++)
            across[x].below = between(x, columns, width, &across[x].share);
        enlarge(soft, width, height, across, soft + pixels, columns, rows, levels);
    }
    free(flips);
    free(across);
    free(sharp);
    return failed ? -1 : 0;
}
