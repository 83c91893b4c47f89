#include "affine.h"

/* A fused multiply-add rounds once where the reference rounds twice. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

static int within(int value, int count)
{
    return value < 0 ? 0 : value >= count ? count - 1 : value;
}

static void sample(const mtf_picture *picture, double x, double y, float *out)
{
    int inside = x >= 0 && x < picture->width && y >= 0 && y < picture->height;
    if (!inside) {
        out[0] = out[1] = out[2] = 0;
        return;
    }
    x -= 0.5;
    y -= 0.5;
    int column = (int)x - (x < 0), row = (int)y - (y < 0);
    double across = x - column, down = y - row;
    int left = 3 * within(column, picture->width), right = 3 * within(column + 1, picture->width);
    const uint8_t *above = picture->data + within(row, picture->height) * picture->stride;
    const uint8_t *below = picture->data + within(row + 1, picture->height) * picture->stride;
    for (int k = 0; k < 3; k++) {
        double upper = above[left + k] + (above[right + k] - above[left + k]) * across;
        double lower = below[left + k] + (below[right + k] - below[left + k]) * across;
        out[k] = (float)(int)(upper + (lower - upper) * down);
    }
}

void mtf_affine(const mtf_picture *picture, const double map[6], int side, float *patch)
{
    for (int v = 0; v < side; v++)
        for (int u = 0; u < side; u++, patch += 3) {
            double x = map[0] * (u + 0.5) + map[1] * (v + 0.5) + map[2];
            double y = map[3] * (u + 0.5) + map[4] * (v + 0.5) + map[5];
            sample(picture, x, y, patch);
        }
}
