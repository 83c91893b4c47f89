#include "base64.h"

#include "cpu.h"

enum { INVALID = 0x80 };

static uint8_t values[256];

static void fill_values(void)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int byte = 0; byte < 256; byte++)
        values[byte] = INVALID;
    for (int value = 0; value < 64; value++)
        values[(uint8_t)alphabet[value]] = (uint8_t)value;
}

/* Whole quads from `place` on; returns where it stopped: the end, or a quad with a wrong one. */
static size_t quads(const uint8_t *text, size_t place, size_t end, uint8_t *out)
{
    for (out += place / 4 * 3; place < end; place += 4, out += 3) {
        uint32_t a = values[text[place]], b = values[text[place + 1]];
        uint32_t c = values[text[place + 2]], d = values[text[place + 3]];
        if ((a | b | c | d) & INVALID)
            break;
        out[0] = (uint8_t)(a << 2 | b >> 4);
        out[1] = (uint8_t)(b << 4 | c >> 2);
        out[2] = (uint8_t)(c << 6 | d);
    }
    return place;
}

/* The quad that carries the padding; bits that no byte takes must be zero (section 3.5). */
static int padded_quad(const uint8_t *text, size_t padding, uint8_t *out)
{
    uint32_t a = values[text[0]], b = values[text[1]], c = padding == 2 ? 0 : values[text[2]];
    if ((a | b | c) & INVALID || (padding == 2 ? b & 0x0F : c & 0x03))
        return 0;
    out[0] = (uint8_t)(a << 2 | b >> 4);
    if (padding == 1)
        out[1] = (uint8_t)(b << 4 | c >> 2);
    return 1;
}

static size_t nothing(const uint8_t *text, size_t end, uint8_t *out)
{
    (void)text, (void)end, (void)out;
    return 0;
}

#if MTF_X86
#include <immintrin.h>

/* Two perfect hashes of a character: half of the sum of its upper five bits and of a number that
 * its low nibble picks. The one tells apart the runs of the alphabet, whose values lie at one
 * distance from their characters. The other puts characters into buckets of which the wrong ones
 * come before the right ones: less the first right one, they are negative. Characters above 127
 * are negative already; a bucket of wrong ones takes 128. The tables were found by trying all. */
#define RUNS 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 14
#define TO_VALUES 0, 0, 0, 19, 4, -65, -65, -71, -71, 0, 16, 0, -65, 0, -71, 0
#define BUCKETS 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 6, 10, 14, 14, 14, 10
#define LEAST                                                                                      \
    -128, -128, -128, -128, -48, -65, -80, -97, -43, -90, -75, -122, -76, -128, -108, -128

/* 32 characters to 24 bytes at the start of each half; `wrong` gets the sign of what is wrong. */
MTF_TARGET("avx2")
static inline __m256i decode_vector(__m256i text, __m256i *wrong)
{
    const __m256i runs = _mm256_setr_epi8(RUNS, RUNS);
    const __m256i to_values = _mm256_setr_epi8(TO_VALUES, TO_VALUES);
    const __m256i buckets = _mm256_setr_epi8(BUCKETS, BUCKETS);
    const __m256i least = _mm256_setr_epi8(LEAST, LEAST);
    const __m256i bytes = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1,
                                           2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);

    /* What a neighbour shifts in lies above the nibble that a shuffle reads. */
    __m256i upper = _mm256_srli_epi32(text, 3);
    __m256i run = _mm256_avg_epu8(_mm256_shuffle_epi8(runs, text), upper);
    __m256i bucket = _mm256_avg_epu8(_mm256_shuffle_epi8(buckets, text), upper);
    __m256i above = _mm256_adds_epi8(_mm256_shuffle_epi8(least, bucket), text);
    *wrong = _mm256_or_si256(*wrong, above);
    __m256i six = _mm256_add_epi8(_mm256_shuffle_epi8(to_values, run), text);
    __m256i twelve = _mm256_maddubs_epi16(six, _mm256_set1_epi32(0x01400140));
    __m256i packed = _mm256_madd_epi16(twelve, _mm256_set1_epi32(0x00011000));
    return _mm256_shuffle_epi8(packed, bytes);
}

/* Whole blocks that are right. Each store writes 8 bytes more than it decodes, so the last
 * characters are left to others; what a wrong block has written counts as undefined. Returns where
 * it stopped. */
MTF_TARGET("avx2")
static size_t vectors_avx2(const uint8_t *text, size_t end, uint8_t *out)
{
    enum { BLOCK = 4 * 32, SPARE = 16, LINE = 64, AHEAD = 2048 };
    size_t place = 0;
    for (; place + BLOCK + SPARE <= end; place += BLOCK, out += BLOCK / 4 * 3) {
        __m256i wrong = _mm256_setzero_si256();
        /* As integers: beyond the end there is nothing to point to, nor does a prefetch fault. */
        uintptr_t ahead = (uintptr_t)text + place + AHEAD;
        _mm_prefetch((const char *)ahead, _MM_HINT_T0);
        _mm_prefetch((const char *)(ahead + LINE), _MM_HINT_T0);
        for (int i = 0; i < 4; i++) {
            const __m256i *from = (const __m256i *)(text + place + 32 * i);
            __m256i decoded = decode_vector(_mm256_loadu_si256(from), &wrong);
            _mm_storeu_si128((__m128i *)(out + 24 * i), _mm256_castsi256_si128(decoded));
            _mm_storeu_si128((__m128i *)(out + 24 * i + 12), _mm256_extracti128_si256(decoded, 1));
        }
        if (_mm256_movemask_epi8(wrong))
            break;
    }
    return place;
}

#include "base64_vbmi.h"
#endif

static size_t (*vectors)(const uint8_t *, size_t, uint8_t *) = nothing;

int mtf_base64_use(int level)
{
    level = mtf_level(level, MTF_AVX512VBMI);
    fill_values();
    vectors = nothing;
#if MTF_X86
    if (level >= MTF_AVX2) {
        vectors = level == MTF_AVX512VBMI ? vectors_vbmi : vectors_avx2;
        return level;
    }
#endif
    return MTF_BASELINE;
}

ptrdiff_t mtf_base64_decode(const uint8_t *text, size_t size, uint8_t *out, size_t room)
{
    if (size % 4)
        return -1;
    size_t padding = size && text[size - 1] == '=' ? 1 + (text[size - 2] == '=') : 0;
    size_t whole = padding ? size - 4 : size, bytes = size / 4 * 3 - padding;
    if (bytes > room || quads(text, vectors(text, whole, out), whole, out) < whole)
        return -1;
    if (padding && !padded_quad(text + whole, padding, out + whole / 4 * 3))
        return -1;
    return (ptrdiff_t)bytes;
}
