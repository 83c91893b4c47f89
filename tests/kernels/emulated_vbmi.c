/* ext/base64_vbmi.h on any CPU: every AVX-512 intrinsic it names is a loop over bytes here, written
 * from the instruction's description in Intel's Software Developer's Manual, volume 2. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint8_t bytes[64];
} vector;

static vector load(const void *from)
{
    vector v;
    memcpy(v.bytes, from, 64);
    return v;
}

static void store(void *to, vector v)
{
    memcpy(to, v.bytes, 64);
}

static vector set(int32_t value)
{
    vector v;
    for (int i = 0; i < 16; i++)
        memcpy(v.bytes + 4 * i, &value, 4);
    return v;
}

static vector either(vector a, vector b)
{
    for (int i = 0; i < 64; i++)
        a.bytes[i] |= b.bytes[i];
    return a;
}

static uint64_t signs(vector a)
{
    uint64_t mask = 0;
    for (int i = 0; i < 64; i++)
        mask |= (uint64_t)(a.bytes[i] >> 7) << i;
    return mask;
}

/* VPERMI2B: bits 0-5 of an index choose the byte, bit 6 the table. */
static vector two_tables(vector low, vector index, vector high)
{
    vector v;
    for (int i = 0; i < 64; i++)
        v.bytes[i] = (index.bytes[i] & 64 ? high : low).bytes[index.bytes[i] & 63];
    return v;
}

/* VPERMB: the index comes first. */
static vector permuted(vector index, vector a)
{
    vector v;
    for (int i = 0; i < 64; i++)
        v.bytes[i] = a.bytes[index.bytes[i] & 63];
    return v;
}

/* VPMADDUBSW: unsigned bytes of the first by signed bytes of the second, sums saturated. */
static vector byte_sums(vector a, vector b)
{
    vector v;
    for (int i = 0; i < 64; i += 2) {
        int sum = a.bytes[i] * (int8_t)b.bytes[i] + a.bytes[i + 1] * (int8_t)b.bytes[i + 1];
        int16_t word = (int16_t)(sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum);
        memcpy(v.bytes + i, &word, 2);
    }
    return v;
}

/* VPMADDWD: products of signed words, pairs summed. */
static vector word_sums(vector a, vector b)
{
    vector v;
    for (int i = 0; i < 64; i += 4) {
        int16_t x[2], y[2];
        memcpy(x, a.bytes + i, 4);
        memcpy(y, b.bytes + i, 4);
        int32_t sum = x[0] * y[0] + x[1] * y[1];
        memcpy(v.bytes + i, &sum, 4);
    }
    return v;
}

#define __m512i vector
#define _mm512_loadu_si512 load
#define _mm512_storeu_si512 store
#define _mm512_set1_epi32 set
#define _mm512_or_si512 either
#define _mm512_movepi8_mask signs
#define _mm512_permutex2var_epi8 two_tables
#define _mm512_permutexvar_epi8 permuted
#define _mm512_maddubs_epi16 byte_sums
#define _mm512_madd_epi16 word_sums
#define MTF_TARGET(set)

static uint8_t values[256];

#include "base64_vbmi.h"

size_t decode(const uint8_t table[256], const uint8_t *text, size_t end, uint8_t *out)
{
    memcpy(values, table, sizeof values);
    return vectors_vbmi(text, end, out);
}
