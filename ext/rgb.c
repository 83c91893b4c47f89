#include "rgb.h"

#include "cpu.h"

#include <stdlib.h>
#include <string.h>

#if MTF_X86
#include <immintrin.h>
#endif

enum {
    ROW_BITS = 15,
    ROW_SHIFT = 8 + 14 - ROW_BITS,
    VALUE_BITS = 9,
    DOWN_SHIFT = ROW_BITS + 12 - 8 - VALUE_BITS,
    /* The rounding's half, less the middle of chroma. */
    DOWN_START = (1 << (DOWN_SHIFT - 1)) - (128 << (VALUE_BITS + DOWN_SHIFT)),
    LEVEL_SHIFT = VALUE_BITS + 13,
    /* Taken off while they are summed, so that all sums fit into 32 bits. */
    BIAS = 1 << 29,
    TAPS = 4,
    REACH = 2, /* samples beyond a row's end */
    LANES = 16 /* pixels of a step */
};

static const int ACROSS[TAPS] = {-461, 3943, 14284, -1382};
static const int DOWN[TAPS] = {-115, 985, 3572, -346};

#define INLINE static inline __attribute__((always_inline))

/* Where a part is made: rows are padded to whole steps. */
typedef struct {
    const mtf_samples *planes;
    int left, top, width, height;
    int first, count;         /* of the columns of chroma that it needs */
    uint8_t *beside;          /* those, and REACH at either end */
    int16_t *rows[2][TAPS];   /* of Cb and Cr, twice as wide */
    int held[TAPS];           /* which row of chroma each is */
    int *chroma[2];           /* of a row of pixels */
    uint8_t *luma, *made;     /* a row of each, padded */
} part;

INLINE int within(int value, int count)
{
    return value < 0 ? 0 : value >= count ? count - 1 : value;
}

INLINE int16_t cut(int value)
{
    value >>= ROW_SHIFT;
    return (int16_t)(value < 0 ? 0 : value > INT16_MAX ? INT16_MAX : value);
}

/* Twice as many samples of a row, of which `in` begins REACH before the first. */
INLINE void widen(const uint8_t *restrict in, ptrdiff_t count, int16_t *restrict out)
{
    for (ptrdiff_t x = 0; x < count; x++) {
        int before = ACROSS[0] * in[x] + ACROSS[3] * in[x + 3];
        int behind = ACROSS[0] * in[x + 4] + ACROSS[3] * in[x + 1];
        int middle = ACROSS[2] * in[x + 2];
        out[2 * x] = cut(before + ACROSS[1] * in[x + 1] + middle);
        out[2 * x + 1] = cut(behind + ACROSS[1] * in[x + 3] + middle);
    }
}

/* A row of chroma, twice as wide; beyond its ends it stays. */
INLINE void enlarge(const part *part, const mtf_samples *plane, int row, int16_t *out)
{
    const uint8_t *samples = plane->data + row * plane->stride;
    uint8_t *beside = part->beside + REACH;
    memcpy(beside, samples + part->first, (size_t)part->count);
    for (int away = 1; away <= REACH; away++) {
        beside[-away] = samples[within(part->first - away, plane->columns)];
        beside[part->count - 1 + away] =
            samples[within(part->first + part->count - 1 + away, plane->columns)];
    }
    widen(part->beside, part->count, out);
}

/* The four rows of chroma around a row of pixels, the weight of each being that of its tap. */
INLINE void find(part *part, int y, const int16_t *rows[2][TAPS])
{
    int odd = y & 1, middle = y >> 1, last = part->planes[1].rows;
    for (int tap = 0; tap < TAPS; tap++) {
        int row = within(middle + (odd ? REACH - tap : tap - REACH), last);
        int place = row % TAPS;
        if (part->held[place] != row) {
            for (int plane = 0; plane < 2; plane++)
                enlarge(part, &part->planes[1 + plane], row, part->rows[plane][place]);
            part->held[place] = row;
        }
        for (int plane = 0; plane < 2; plane++)
            rows[plane][tap] = part->rows[plane][place] + (part->left & 1);
    }
}

/* Chroma of a row of pixels, less its middle. */
INLINE void mix(const int16_t *const rows[TAPS], ptrdiff_t count, int *restrict out)
{
    const int16_t *restrict a = rows[0], *restrict b = rows[1];
    const int16_t *restrict c = rows[2], *restrict d = rows[3];
    for (ptrdiff_t x = 0; x < count; x++)
        out[x] = (DOWN_START + DOWN[0] * a[x] + DOWN[1] * b[x] + DOWN[2] * c[x] +
                  DOWN[3] * d[x]) >> DOWN_SHIFT;
}

INLINE uint8_t level_of(int sum)
{
    int value = (sum >> LEVEL_SHIFT) + (BIAS >> LEVEL_SHIFT);
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

INLINE void convert(const uint8_t *restrict luma, const int *restrict cb, const int *restrict cr,
                    mtf_inverse by, ptrdiff_t count, uint8_t *restrict red, uint8_t *restrict green,
                    uint8_t *restrict blue)
{
    const int start = (1 << (LEVEL_SHIFT - 1)) - BIAS;
    for (ptrdiff_t x = 0; x < count; x++) {
        int y = (luma[x] - by.black) * (1 << VALUE_BITS) * by.luma + start;
        red[x] = level_of(y + cr[x] * by.cr_to_red);
        green[x] = level_of(y + cr[x] * by.cr_to_green + cb[x] * by.cb_to_green);
        blue[x] = level_of(y + cb[x] * by.cb_to_blue);
    }
}

/* A row of pixels as three rows of channels, `padded` apart. */
INLINE void make_row(part *part, int y, const mtf_inverse *inverse, int padded)
{
    const int16_t *rows[2][TAPS];
    uint8_t *made = part->made;
    find(part, y, rows);
    for (int plane = 0; plane < 2; plane++)
        mix(rows[plane], padded, part->chroma[plane]);
    convert(part->luma, part->chroma[0], part->chroma[1], *inverse, padded, made, made + padded,
            made + 2 * padded);
}

INLINE void pack(const uint8_t *channels, int padded, int from, int width, uint8_t *rgb)
{
    for (int x = from; x < width; x++)
        for (int channel = 0; channel < 3; channel++)
            rgb[3 * x + channel] = channels[channel * padded + x];
}

static void plain_row(part *part, int y, const mtf_inverse *inverse, int padded, uint8_t *rgb)
{
    make_row(part, y, inverse, padded);
    pack(part->made, padded, 0, part->width, rgb);
}

#if MTF_X86
/* Where the bytes of each channel go among 48. */
MTF_TARGET("avx2")
static inline void pack_16(const uint8_t *channels, int padded, uint8_t *rgb)
{
    const __m128i no = _mm_set1_epi8(-1);
    const __m128i thirds = _mm_setr_epi8(0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15, 10, 5);
    const __m128i first = _mm_setr_epi8(-1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1);
    const __m128i second = _mm_setr_epi8(0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0);
    const __m128i third = _mm_xor_si128(_mm_or_si128(first, second), no);
    __m128i red = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)channels), thirds);
    __m128i green = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(channels + padded)),
                                     _mm_alignr_epi8(thirds, thirds, 15));
    __m128i blue = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(channels + 2 * padded)),
                                    _mm_alignr_epi8(thirds, thirds, 14));
    __m128i masks[3] = {first, third, second};
    for (int part = 0; part < 3; part++) {
        __m128i bytes = _mm_or_si128(_mm_and_si128(red, masks[part]),
                                     _mm_and_si128(green, masks[(part + 2) % 3]));
        bytes = _mm_or_si128(bytes, _mm_and_si128(blue, masks[(part + 1) % 3]));
        _mm_storeu_si128((__m128i *)(rgb + 16 * part), bytes);
    }
}

MTF_TARGET("avx2")
static void avx2_row(part *part, int y, const mtf_inverse *inverse, int padded, uint8_t *rgb)
{
    make_row(part, y, inverse, padded);
    int whole = part->width / LANES * LANES;
    for (int x = 0; x < whole; x += LANES)
        pack_16(part->made + x, padded, rgb + 3 * x);
    pack(part->made, padded, whole, part->width, rgb);
}
#endif

int mtf_rgb_level(int level)
{
    return mtf_level(level, MTF_AVX2) == MTF_AVX2 ? MTF_AVX2 : MTF_BASELINE;
}

/* One piece of memory for all rows; freed by `part.chroma[0]`. */
static int open_part(part *part, int padded)
{
    part->first = part->left >> 1;
    part->count = ((part->left + part->width + 1) >> 1) - part->first;
    size_t row = (size_t)padded + 2 * LANES;
    int *memory = calloc(row, 2 * sizeof(int) + 2 * TAPS * sizeof(int16_t) + 5);
    if (!memory)
        return -1;
    int16_t *rows = (int16_t *)(memory + 2 * row);
    for (int plane = 0; plane < 2; plane++) {
        part->chroma[plane] = memory + (size_t)plane * row;
        for (int tap = 0; tap < TAPS; tap++, rows += row)
            part->rows[plane][tap] = rows;
    }
    part->luma = (uint8_t *)rows;
    part->made = part->luma + row;
    part->beside = part->luma + 4 * row;
    for (int tap = 0; tap < TAPS; tap++)
        part->held[tap] = -1;
    return 0;
}

int mtf_rgb(const mtf_samples planes[3], int left, int top, int width, int height,
            const mtf_inverse *inverse, uint8_t *rgb, int level)
{
    part made = {.planes = planes, .left = left, .top = top, .width = width, .height = height};
    void (*row)(part *, int, const mtf_inverse *, int, uint8_t *) = plain_row;
#if MTF_X86
    if (mtf_rgb_level(level) == MTF_AVX2)
        row = avx2_row;
#endif
    int padded = (width + LANES - 1) / LANES * LANES;
    if (open_part(&made, padded))
        return -1;
    for (int y = 0; y < height; y++) {
        memcpy(made.luma, planes[0].data + (top + y) * planes[0].stride + left, (size_t)width);
        row(&made, top + y, inverse, padded, rgb + (size_t)y * (size_t)width * 3);
    }
    free(made.chroma[0]);
    return 0;
}
