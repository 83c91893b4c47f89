#include "tone_map.h"

#include "cpu.h"

#include <string.h>

#if MTF_X86
#include <emmintrin.h>
#endif

enum {
    STEPS = 1 << MTF_TONE_FRACTION,
    SHIFT = 2 * MTF_TONE_FRACTION + MTF_VALUE_BITS - 8,
    HALF = 1 << (SHIFT - 1)
};

/* What is looked up for chroma, made anew for each frame: 16 KB. */
typedef struct {
    uint32_t cb[MTF_TONE_CODES]; /* cell times the table's side, in the upper half; fraction times STEPS */
    uint32_t cr[MTF_TONE_CODES]; /* cell; fraction */
    int16_t weights[STEPS * STEPS][4]; /* of a cell's corners, by both fractions */
} lookup;

static void fill(lookup *to, const mtf_tone_table *table)
{
    for (int code = 0; code < MTF_TONE_CODES; code++) {
        uint32_t cell = table->axis[code] / STEPS, fraction = table->axis[code] % STEPS;
        to->cb[code] = cell * (uint32_t)table->side << 16 | fraction * STEPS;
        to->cr[code] = cell << 16 | fraction;
    }
    for (int f = 0; f < STEPS; f++)
        for (int g = 0; g < STEPS; g++) {
            int16_t *weights = to->weights[f * STEPS + g];
            weights[0] = (int16_t)((STEPS - f) * (STEPS - g));
            weights[1] = (int16_t)(f * (STEPS - g));
            weights[2] = (int16_t)((STEPS - f) * g);
            weights[3] = (int16_t)(f * g);
        }
}

/* The corners of a block's cell, four pixels, and their weights. */
typedef struct {
    const int16_t *weights, *luma, *colour;
} corners;

static inline unsigned code(const uint8_t *sample, int shift)
{
    uint16_t value;
    memcpy(&value, sample, sizeof value);
    return (unsigned)value >> shift & (MTF_TONE_CODES - 1);
}

static inline corners find(const mtf_tone_table *table, const lookup *lookup, unsigned cb,
                           unsigned cr, unsigned sum)
{
    uint32_t both = lookup->cb[cb] + lookup->cr[cr];
    size_t cell = both >> 16;
    size_t colour = cell * (MTF_TONE_CODES >> MTF_TONE_COLOUR_SHIFT) +
                    (sum >> (2 + MTF_TONE_COLOUR_SHIFT));
    return (corners){lookup->weights[both & 0xFFFF], table->luma + 4 * cell * MTF_TONE_CODES,
                     table->colour + 8 * colour};
}

static inline uint8_t mixed(const int16_t *values, const int16_t *weights)
{
    int total = HALF;
    for (int corner = 0; corner < 4; corner++)
        total += values[corner] * weights[corner];
    return (uint8_t)(total >> SHIFT);
}

/* Where samples are read and written: a row of chroma and the two of luma. */
typedef struct {
    const uint8_t *above, *below, *cb, *cr;
    uint8_t *above_to, *below_to, *cb_to, *cr_to;
    int shift, step, step_to; /* of chroma */
} rows;

static inline void map_block(const mtf_tone_table *table, const lookup *lookup, const rows *at,
                             int column)
{
    const uint8_t *luma[4] = {at->above + 4 * column, at->above + 4 * column + 2,
                              at->below + 4 * column, at->below + 4 * column + 2};
    uint8_t *to[4] = {at->above_to + 2 * column, at->above_to + 2 * column + 1,
                      at->below_to + 2 * column, at->below_to + 2 * column + 1};
    unsigned codes[4], sum = 0;
    for (int pixel = 0; pixel < 4; pixel++)
        sum += codes[pixel] = code(luma[pixel], at->shift);
    corners now = find(table, lookup, code(at->cb + column * at->step, at->shift),
                       code(at->cr + column * at->step, at->shift), sum);
    for (int pixel = 0; pixel < 4; pixel++)
        *to[pixel] = mixed(now.luma + 4 * codes[pixel], now.weights);
    at->cb_to[column * at->step_to] = mixed(now.colour, now.weights);
    at->cr_to[column * at->step_to] = mixed(now.colour + 4, now.weights);
}

#if MTF_X86

/* Four codes in 16 bits each. */
static inline uint64_t four_codes(const uint8_t *samples, int shift)
{
    uint64_t values;
    memcpy(&values, samples, sizeof values);
    return values >> shift & UINT64_C(0x03FF03FF03FF03FF);
}

static inline __m128i mixed_pair(const int16_t *luma, unsigned codes, __m128i weights)
{
    const int16_t *one = luma + 4 * (codes & 0xFFFF), *other = luma + 4 * (codes >> 16);
    return _mm_madd_epi16(_mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)one),
                                             _mm_loadl_epi64((const __m128i *)other)),
                          weights);
}

static inline __m128i rounded(__m128i low, __m128i high)
{
    __m128 a = _mm_castsi128_ps(low), b = _mm_castsi128_ps(high);
    __m128i even = _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)));
    __m128i odd = _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
    return _mm_srli_epi32(_mm_add_epi32(_mm_add_epi32(even, odd), _mm_set1_epi32(HALF)), SHIFT);
}

static inline __m128i twice(const int16_t *weights)
{
    __m128i once = _mm_loadl_epi64((const __m128i *)weights);
    return _mm_unpacklo_epi64(once, once);
}

static inline void map_two(const mtf_tone_table *table, const lookup *lookup, const rows *at,
                           int column)
{
    uint64_t above = four_codes(at->above + 4 * column, at->shift);
    uint64_t below = four_codes(at->below + 4 * column, at->shift), sums = above + below;
    const uint8_t *cb = at->cb + column * at->step, *cr = at->cr + column * at->step;
    corners one = find(table, lookup, code(cb, at->shift), code(cr, at->shift),
                       (unsigned)(sums & 0xFFFF) + (unsigned)(sums >> 16 & 0xFFFF));
    corners other = find(table, lookup, code(cb + at->step, at->shift),
                         code(cr + at->step, at->shift),
                         (unsigned)(sums >> 32 & 0xFFFF) + (unsigned)(sums >> 48));
    __m128i first = twice(one.weights), second = twice(other.weights);
    __m128i pixels = rounded(mixed_pair(one.luma, (unsigned)above, first),
                             mixed_pair(other.luma, (unsigned)(above >> 32), second));
    __m128i under = rounded(mixed_pair(one.luma, (unsigned)below, first),
                            mixed_pair(other.luma, (unsigned)(below >> 32), second));
    __m128i chroma =
        rounded(_mm_madd_epi16(_mm_loadu_si128((const __m128i *)one.colour), first),
                _mm_madd_epi16(_mm_loadu_si128((const __m128i *)other.colour), second));
    __m128i bytes = _mm_packus_epi16(_mm_packs_epi32(pixels, under), _mm_packs_epi32(chroma, chroma));
    uint64_t luma = (uint64_t)_mm_cvtsi128_si64(bytes);
    uint32_t both = (uint32_t)_mm_cvtsi128_si32(_mm_srli_si128(bytes, 8));
    memcpy(at->above_to + 2 * column, &luma, 4);
    memcpy(at->below_to + 2 * column, (const char *)&luma + 4, 4);
    uint8_t *cb_to = at->cb_to + column * at->step_to, *cr_to = at->cr_to + column * at->step_to;
    cb_to[0] = (uint8_t)both, cr_to[0] = (uint8_t)(both >> 8);
    cb_to[at->step_to] = (uint8_t)(both >> 16), cr_to[at->step_to] = (uint8_t)(both >> 24);
}

#endif

static void map_row(const mtf_tone_table *table, const lookup *lookup, const rows *at, int blocks)
{
    int column = 0;
#if MTF_X86
    for (; column + 2 <= blocks; column += 2)
        map_two(table, lookup, at, column);
#endif
    for (; column < blocks; column++)
        map_block(table, lookup, at, column);
}

void mtf_tone_map(const mtf_tone_table *table, int width, int height, const mtf_plane source[3],
                  const mtf_plane target[3])
{
    lookup lookup;
    fill(&lookup, table);
    for (int row = 0; row < height / 2; row++) {
        rows at = {.shift = source[0].shift, .step = source[1].step, .step_to = target[1].step};
        at.above = source[0].data + 2 * row * source[0].stride;
        at.below = at.above + source[0].stride;
        at.cb = source[1].data + row * source[1].stride;
        at.cr = source[2].data + row * source[2].stride;
        at.above_to = target[0].data + 2 * row * target[0].stride;
        at.below_to = at.above_to + target[0].stride;
        at.cb_to = target[1].data + row * target[1].stride;
        at.cr_to = target[2].data + row * target[2].stride;
        map_row(table, &lookup, &at, width / 2);
    }
}

/* The sum over the corners at `node` and one node on in blue, weighted by one of `weight`. */
static inline void add_pair(int32_t sum[4], const int16_t *node, int weight, int place)
{
    int low = weight * (STEPS - place), high = weight * place;
    for (int component = 0; component < 4; component++)
        sum[component] += node[component] * low + node[component + 4] * high;
}

void mtf_crop_map(const uint16_t *axis, const int16_t *nodes, const uint8_t *rgb, int count,
                  int16_t *components)
{
    enum { PLACE = (1 << MTF_CROP_PLACE_BITS) - 1, GREEN = 4 * MTF_CROP_NODES };
    enum { RED = MTF_CROP_NODES * GREEN, BITS = 3 * MTF_TONE_FRACTION };
    for (int pixel = 0; pixel < count; pixel++, rgb += 3) {
        int r = axis[rgb[0]], g = axis[rgb[1]], b = axis[rgb[2]];
        const int16_t *node = nodes + (r >> MTF_CROP_PLACE_BITS) * RED +
                              (g >> MTF_CROP_PLACE_BITS) * GREEN + (b >> MTF_CROP_PLACE_BITS) * 4;
        r &= PLACE, g &= PLACE, b &= PLACE;
        int32_t sum[4] = {1 << (BITS - 1), 1 << (BITS - 1), 1 << (BITS - 1), 0};
        add_pair(sum, node, (STEPS - r) * (STEPS - g), b);
        add_pair(sum, node + GREEN, (STEPS - r) * g, b);
        add_pair(sum, node + RED, r * (STEPS - g), b);
        add_pair(sum, node + RED + GREEN, r * g, b);
        for (int component = 0; component < 3; component++)
            components[component * count + pixel] = (int16_t)(sum[component] >> BITS);
    }
}
