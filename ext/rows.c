#include "rows.h"

#include <string.h>

#include "cpu.h"

static void convert_from(const uint8_t *rgb, int from, int width, const mtf_conversion *c,
                         int16_t *const out[3])
{
    for (int component = 0; component < 3; component++) {
        const int16_t *k = c->coefficients[component];
        for (int x = from; x < width; x++) {
            int32_t sum = k[0] * rgb[3 * x] + k[1] * rgb[3 * x + 1] + k[2] * rgb[3 * x + 2];
            out[component][x] = (int16_t)((sum + c->offsets[component]) >> MTF_COEFFICIENT_BITS);
        }
    }
}

static void convert(const uint8_t *rgb, int width, const mtf_conversion *c, int16_t *const out[3])
{
    convert_from(rgb, 0, width, c, out);
}

static void scale_columns(const int16_t *in, const mtf_columns *columns, int16_t *out)
{
    const mtf_taps *plain = &columns->plain;
    const int16_t *weights = plain->weights;
    for (int i = 0; i < plain->count; i++, weights += plain->taps) {
        int32_t sum = 1 << (MTF_TAP_BITS - 1);
        for (int k = 0; k < plain->taps; k++)
            sum += in[plain->first[i] + k] * weights[k];
        out[i] = (int16_t)(sum >> MTF_TAP_BITS);
    }
}

static void scale_rows(const int16_t *const *in, const int16_t *weights, int taps, int count,
                       int16_t top, int16_t *out)
{
    for (int x = 0; x < count; x++) {
        int32_t sum = 1 << (MTF_TAP_BITS - 1);
        for (int k = 0; k < taps; k++)
            sum += in[k][x] * weights[k];
        sum >>= MTF_TAP_BITS;
        out[x] = (int16_t)(sum < 0 ? 0 : sum > top ? top : sum);
    }
}

static inline int blended(int code, int lost, int value, int weight)
{
    int old = code << lost;
    int moved = ((old - value) * weight + (1 << (MTF_WEIGHT_BITS - 1))) >> MTF_WEIGHT_BITS;
    return (old + moved + (1 << (lost - 1))) >> lost;
}

static void blend_bytes(const mtf_plane *plane, const uint8_t *old, uint8_t *row,
                        const int16_t *values, const int16_t *weights, int count)
{
    for (int i = 0; i < count; i++, row += plane->step, old += plane->step)
        *row = (uint8_t)blended(*old, MTF_VALUE_BITS - 8, values[i], weights[i]);
}

static void blend_words(const mtf_plane *plane, const uint8_t *old, uint8_t *row,
                        const int16_t *values, const int16_t *weights, int count)
{
    int lost = MTF_VALUE_BITS - plane->depth, codes = (1 << plane->depth) - 1;
    for (int i = 0; i < count; i++, row += plane->step, old += plane->step) {
        int code = (old[0] | old[1] << 8) >> plane->shift & codes;
        int sample = blended(code, lost, values[i], weights[i]) << plane->shift;
        row[0] = (uint8_t)sample;
        row[1] = (uint8_t)(sample >> 8);
    }
}

static void blend(const mtf_plane *plane, const uint8_t *old, uint8_t *row, const int16_t *values,
                  const int16_t *weights, int count)
{
    (plane->depth == 8 ? blend_bytes : blend_words)(plane, old, row, values, weights, count);
}

#if MTF_X86
#include <immintrin.h>

MTF_TARGET("avx2")
static inline __m256i load_two(const void *low, const void *high)
{
    __m256i both = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low));
    return _mm256_inserti128_si256(both, _mm_loadu_si128((const __m128i *)high), 1);
}

/* 16 pixels a step. The last four are loaded from four bytes earlier, to stay inside the row. */
MTF_TARGET("avx2")
static void convert_avx2(const uint8_t *rgb, int width, const mtf_conversion *c,
                         int16_t *const out[3])
{
    enum { Z = -128 }; /* gives zero, also with 4 added */
    const __m128i red_green = _mm_setr_epi8(0, Z, 1, Z, 3, Z, 4, Z, 6, Z, 7, Z, 9, Z, 10, Z);
    const __m128i blue = _mm_setr_epi8(2, Z, Z, Z, 5, Z, Z, Z, 8, Z, Z, Z, 11, Z, Z, Z);
    const __m128i later = _mm_set1_epi8(4);
    const __m256i pick_rg[2] = {_mm256_set_m128i(red_green, red_green),
                                _mm256_set_m128i(_mm_add_epi8(red_green, later), red_green)};
    const __m256i pick_b[2] = {_mm256_set_m128i(blue, blue),
                               _mm256_set_m128i(_mm_add_epi8(blue, later), blue)};
    int x = 0;
    for (; x + 16 <= width; x += 16) {
        const uint8_t *from = rgb + 3 * x;
        __m256i rg[2], b[2];
        for (int half = 0; half < 2; half++) {
            __m256i pixels = half ? load_two(from + 24, from + 32) : load_two(from, from + 12);
            rg[half] = _mm256_shuffle_epi8(pixels, pick_rg[half]);
            b[half] = _mm256_shuffle_epi8(pixels, pick_b[half]);
        }
        for (int component = 0; component < 3; component++) {
            const int16_t *k = c->coefficients[component];
            __m256i k_rg = _mm256_set1_epi32((uint16_t)k[0] | (int32_t)((uint32_t)k[1] << 16));
            __m256i k_b = _mm256_set1_epi32((uint16_t)k[2]);
            __m256i offset = _mm256_set1_epi32(c->offsets[component]), sum[2];
            for (int half = 0; half < 2; half++) {
                sum[half] = _mm256_add_epi32(_mm256_madd_epi16(rg[half], k_rg),
                                             _mm256_madd_epi16(b[half], k_b));
                sum[half] = _mm256_srai_epi32(_mm256_add_epi32(sum[half], offset),
                                              MTF_COEFFICIENT_BITS);
            }
            __m256i mixed = _mm256_packs_epi32(sum[0], sum[1]);
            _mm256_storeu_si256((__m256i *)(out[component] + x),
                                _mm256_permute4x64_epi64(mixed, 0xD8));
        }
    }
    convert_from(rgb, x, width, c, out);
}

MTF_TARGET("avx2")
static inline __m256i rounded_taps(__m256i sum)
{
    __m256i half = _mm256_set1_epi32(1 << (MTF_TAP_BITS - 1));
    return _mm256_srai_epi32(_mm256_add_epi32(sum, half), MTF_TAP_BITS);
}

MTF_TARGET("avx2")
static inline void store_eight(int16_t *out, __m256i sums)
{
    _mm_storeu_si128((__m128i *)out, _mm_packs_epi32(_mm256_castsi256_si128(sums),
                                                     _mm256_extracti128_si256(sums, 1)));
}

/* Eight outputs a group: their pairs of inputs are shuffled out of two loads of eight. */
MTF_TARGET("avx2")
static inline void columns_near(const int16_t *in, const mtf_columns *columns, int taps,
                                int16_t *out)
{
    const int16_t *weights = columns->weights;
    int groups = (columns->plain.count + 7) / 8;
    for (int group = 0; group < groups; group++) {
        const int16_t *low = in + columns->starts[2 * group];
        const int16_t *high = in + columns->starts[2 * group + 1];
        __m256i pattern = _mm256_loadu_si256((const __m256i *)columns->patterns + group);
        __m256i sum = _mm256_setzero_si256();
        for (int k = 0; k < taps; k += 2, weights += 16) {
            __m256i pairs = _mm256_shuffle_epi8(load_two(low + k, high + k), pattern);
            __m256i factors = _mm256_loadu_si256((const __m256i *)weights);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, factors));
        }
        store_eight(out + 8 * group, rounded_taps(sum));
    }
}

/* The same where a crop shrinks: the pairs are gathered. */
MTF_TARGET("avx2")
static void columns_far(const int16_t *in, const mtf_columns *columns, int16_t *out)
{
    const int16_t *weights = columns->weights;
    int groups = (columns->plain.count + 7) / 8;
    for (int group = 0; group < groups; group++) {
        __m256i first = _mm256_loadu_si256((const __m256i *)columns->first + group);
        __m256i sum = _mm256_setzero_si256();
        for (int k = 0; k < columns->plain.taps; k += 2, weights += 16) {
            __m256i pairs = _mm256_i32gather_epi32((const int *)(in + k), first, 2);
            __m256i factors = _mm256_loadu_si256((const __m256i *)weights);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, factors));
        }
        store_eight(out + 8 * group, rounded_taps(sum));
    }
}

MTF_TARGET("avx2")
static void scale_columns_avx2(const int16_t *in, const mtf_columns *columns, int16_t *out)
{
    if (!columns->near)
        columns_far(in, columns, out);
    else if (columns->plain.taps == 2)
        columns_near(in, columns, 2, out);
    else if (columns->plain.taps == 4)
        columns_near(in, columns, 4, out);
    else
        columns_near(in, columns, columns->plain.taps, out);
}

MTF_TARGET("avx2")
static inline void rows_of(const int16_t *const *in, const int16_t *weights, int taps, int count,
                           int16_t top, int16_t *out)
{
    const __m256i limit = _mm256_set1_epi16(top);
    for (int x = 0; x < count; x += 16) {
        __m256i low = _mm256_setzero_si256(), high = low;
        for (int k = 0; k < taps; k += 2) {
            __m256i a = _mm256_loadu_si256((const __m256i *)(in[k] + x));
            __m256i b = _mm256_loadu_si256((const __m256i *)(in[k + 1] + x));
            int32_t pair;
            memcpy(&pair, weights + k, sizeof pair);
            __m256i factors = _mm256_set1_epi32(pair);
            low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), factors));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), factors));
        }
        __m256i values = _mm256_packs_epi32(rounded_taps(low), rounded_taps(high));
        values = _mm256_max_epi16(_mm256_min_epi16(values, limit), _mm256_setzero_si256());
        _mm256_storeu_si256((__m256i *)(out + x), values);
    }
}

MTF_TARGET("avx2")
static void scale_rows_avx2(const int16_t *const *in, const int16_t *weights, int taps, int count,
                            int16_t top, int16_t *out)
{
    if (taps == 2)
        rows_of(in, weights, 2, count, top, out);
    else if (taps == 4)
        rows_of(in, weights, 4, count, top, out);
    else
        rows_of(in, weights, taps, count, top, out);
}

/* Codes to new codes; `lost` is what a code has less than 14 bits. */
MTF_TARGET("avx2")
static inline __m256i blended_avx2(__m256i codes, __m128i lost, __m256i half,
                                   const int16_t *values, const int16_t *weights)
{
    __m256i old = _mm256_sll_epi16(codes, lost);
    __m256i value = _mm256_loadu_si256((const __m256i *)values);
    __m256i weight = _mm256_loadu_si256((const __m256i *)weights);
    __m256i moved = _mm256_mulhrs_epi16(_mm256_sub_epi16(old, value), weight);
    return _mm256_srl_epi16(_mm256_add_epi16(_mm256_add_epi16(old, moved), half), lost);
}

MTF_TARGET("avx2")
static int blend_bytes_avx2(const uint8_t *old, uint8_t *row, const int16_t *values,
                            const int16_t *weights, int count)
{
    const __m128i lost = _mm_cvtsi32_si128(MTF_VALUE_BITS - 8);
    const __m256i half = _mm256_set1_epi16(1 << (MTF_VALUE_BITS - 9));
    int x = 0;
    for (; x + 16 <= count; x += 16) {
        __m256i codes = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(old + x)));
        codes = blended_avx2(codes, lost, half, values + x, weights + x);
        _mm_storeu_si128((__m128i *)(row + x), _mm_packus_epi16(_mm256_castsi256_si128(codes),
                                                                _mm256_extracti128_si256(codes, 1)));
        if (old != row && x + 16 < count && count < x + 32)
            x = count - 32; /* the last vector again overlaps: its old samples are untouched */
    }
    return x;
}

MTF_TARGET("avx2")
static int blend_words_avx2(const mtf_plane *plane, const uint8_t *old, uint8_t *row,
                            const int16_t *values, const int16_t *weights, int count)
{
    const __m128i lost = _mm_cvtsi32_si128(MTF_VALUE_BITS - plane->depth);
    const __m128i shift = _mm_cvtsi32_si128(plane->shift);
    const __m256i half = _mm256_set1_epi16((int16_t)(1 << (MTF_VALUE_BITS - 1 - plane->depth)));
    const __m256i mask = _mm256_set1_epi16((int16_t)((1 << plane->depth) - 1));
    int x = 0;
    for (; x + 16 <= count; x += 16) {
        __m256i codes = _mm256_loadu_si256((const __m256i *)(old + 2 * x));
        codes = _mm256_and_si256(_mm256_srl_epi16(codes, shift), mask);
        codes = blended_avx2(codes, lost, half, values + x, weights + x);
        _mm256_storeu_si256((__m256i *)(row + 2 * x), _mm256_sll_epi16(codes, shift));
    }
    return x;
}

/* As blend_bytes_avx2 where another component's bytes lie between: they are written as they are.
 * The last sample is left to others, as behind it there may be nothing to read. */
MTF_TARGET("avx2")
static int blend_byte_pairs_avx2(const uint8_t *old, uint8_t *row, const int16_t *values,
                                 const int16_t *weights, int count)
{
    const __m128i lost = _mm_cvtsi32_si128(MTF_VALUE_BITS - 8);
    const __m256i half = _mm256_set1_epi16(1 << (MTF_VALUE_BITS - 9));
    const __m256i own = _mm256_set1_epi16(0x00FF);
    int x = 0;
    for (; x + 16 < count; x += 16) {
        __m256i *to = (__m256i *)(row + 2 * x);
        __m256i codes = _mm256_loadu_si256((const __m256i *)(old + 2 * x));
        codes = blended_avx2(_mm256_and_si256(codes, own), lost, half, values + x, weights + x);
        __m256i others = _mm256_andnot_si256(own, _mm256_loadu_si256(to));
        _mm256_storeu_si256(to, _mm256_or_si256(others, codes));
    }
    return x;
}

/* The same of 16-bit samples. */
MTF_TARGET("avx2")
static int blend_word_pairs_avx2(const mtf_plane *plane, const uint8_t *old, uint8_t *row,
                                 const int16_t *values, const int16_t *weights, int count)
{
    const __m128i lost = _mm_cvtsi32_si128(MTF_VALUE_BITS - plane->depth);
    const __m128i shift = _mm_cvtsi32_si128(plane->shift);
    const __m256i half = _mm256_set1_epi16((int16_t)(1 << (MTF_VALUE_BITS - 1 - plane->depth)));
    const __m256i mask = _mm256_set1_epi16((int16_t)((1 << plane->depth) - 1));
    const __m256i own = _mm256_set1_epi32(0xFFFF);
    int x = 0;
    for (; x + 16 < count; x += 16) {
        const __m256i *from = (const __m256i *)(old + 4 * x);
        __m256i *to = (__m256i *)(row + 4 * x);
        __m256i low = _mm256_and_si256(_mm256_loadu_si256(from), own);
        __m256i high = _mm256_and_si256(_mm256_loadu_si256(from + 1), own);
        __m256i codes = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xD8);
        codes = _mm256_and_si256(_mm256_srl_epi16(codes, shift), mask);
        codes = blended_avx2(codes, lost, half, values + x, weights + x);
        codes = _mm256_sll_epi16(codes, shift);
        for (int part = 0; part < 2; part++) {
            __m128i eight = part ? _mm256_extracti128_si256(codes, 1)
                                 : _mm256_castsi256_si128(codes);
            __m256i others = _mm256_andnot_si256(own, _mm256_loadu_si256(to + part));
            _mm256_storeu_si256(to + part, _mm256_or_si256(others, _mm256_cvtepu16_epi32(eight)));
        }
    }
    return x;
}

MTF_TARGET("avx2")
static void blend_avx2(const mtf_plane *plane, const uint8_t *old, uint8_t *row,
                       const int16_t *values, const int16_t *weights, int count)
{
    int done = 0, words = plane->depth > 8;
    if (!words && plane->step == 1)
        done = blend_bytes_avx2(old, row, values, weights, count);
    else if (!words && plane->step == 2)
        done = blend_byte_pairs_avx2(old, row, values, weights, count);
    else if (words && plane->step == 2)
        done = blend_words_avx2(plane, old, row, values, weights, count);
    else if (words && plane->step == 4)
        done = blend_word_pairs_avx2(plane, old, row, values, weights, count);
    ptrdiff_t bytes = (ptrdiff_t)done * plane->step;
    blend(plane, old + bytes, row + bytes, values + done, weights + done, count - done);
}
#endif

mtf_rows mtf_rows_use(int level)
{
    mtf_rows rows = {MTF_BASELINE, convert, scale_columns, scale_rows, blend};
#if MTF_X86
    if (mtf_level(level, MTF_AVX2) >= MTF_AVX2)
        rows = (mtf_rows){MTF_AVX2, convert_avx2, scale_columns_avx2, scale_rows_avx2, blend_avx2};
#else
    (void)level;
#endif
    return rows;
}
