#include "patch.h"

/* A fused multiply-add rounds once where the reference rounds twice. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#define INLINE static inline __attribute__((always_inline))

INLINE float within(float value, float last)
{
    value = value > 0 ? value : 0;
    return value < last ? value : last;
}

INLINE float mix(float one, float other, float weight)
{
    return one + (other - one) * weight;
}

void mtf_patch(const mtf_picture *picture, const mtf_square *square, float *patch)
{
    const float right = (float)(picture->width - 1), bottom = (float)(picture->height - 1);
    const int most_left = picture->width > 1 ? picture->width - 2 : 0;
    const int most_top = picture->height > 1 ? picture->height - 2 : 0;
    const ptrdiff_t beside = picture->width > 1 ? 3 : 0;
    const ptrdiff_t below = picture->height > 1 ? picture->stride : 0;
    for (int v = 0; v < square->side; v++)
        for (int u = 0; u < square->side; u++, patch += 3) {
            float x = within(square->cos[u] - square->sin[v] + square->x, right);
            float y = within(square->sin[u] + square->cos[v] + square->y, bottom);
            int left = (int)x < most_left ? (int)x : most_left;
            int top = (int)y < most_top ? (int)y : most_top;
            float across = x - (float)left, down = y - (float)top;
            const uint8_t *at = picture->data + top * picture->stride + 3 * left;
            for (int channel = 0; channel < 3; channel++, at++) {
                float upper = mix(at[0], at[beside], across);
                float lower = mix(at[below], at[below + beside], across);
                patch[channel] = mix(upper, lower, down);
            }
        }
}
