#include "crc32c.h"

#include <string.h>

#include "cpu.h"

#define POLYNOMIAL 0x82F63B78u

static uint32_t tables[8][256]; /* [k][b]: byte b, then k zero bytes */

static uint32_t by_bytes(uint32_t state, const uint8_t *data, size_t size)
{
    while (size--)
        state = tables[0][(state ^ *data++) & 0xFF] ^ (state >> 8);
    return state;
}

/* Eight bytes a step, each through its own table. */
static uint32_t by_tables(uint32_t state, const uint8_t *data, size_t size)
{
    for (; size >= 8; data += 8, size -= 8) {
        uint32_t low = state ^ ((uint32_t)data[0] | (uint32_t)data[1] << 8 |
                                (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24);
        state = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^
                tables[5][low >> 16 & 0xFF] ^ tables[4][low >> 24] ^
                tables[3][data[4]] ^ tables[2][data[5]] ^ tables[1][data[6]] ^
                tables[0][data[7]];
    }
    return by_bytes(state, data, size);
}

static void fill_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t state = byte;
        for (int bit = 0; bit < 8; bit++)
            state = (state >> 1) ^ (state & 1 ? POLYNOMIAL : 0);
        tables[0][byte] = state;
    }
    for (int k = 1; k < 8; k++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = tables[k - 1][byte];
            tables[k][byte] = tables[0][before & 0xFF] ^ (before >> 8);
        }
}

#if MTF_X86
#include <immintrin.h>

/* The instruction takes three cycles but starts every cycle: three runs side by side, then
 * joined. The state behind a run is the state before it, sent through as many zero bytes, xor the
 * run's own; `zeros` does that for one length of run, a byte of the state at a time. */
enum { LONG_RUN = 4096, SHORT_RUN = 256 };

static uint32_t long_zeros[4][256], short_zeros[4][256];

static void fill_zeros(uint32_t zeros[4][256], size_t run)
{
    static const uint8_t nothing[LONG_RUN];
    for (int place = 0; place < 4; place++)
        for (int bit = 0; bit < 8; bit++) {
            uint32_t image = by_tables(1u << (8 * place + bit), nothing, run);
            for (uint32_t byte = 0; byte < 1u << bit; byte++)
                zeros[place][byte | 1u << bit] = zeros[place][byte] ^ image;
        }
}

static inline uint32_t through(uint32_t zeros[4][256], uint32_t state)
{
    return zeros[0][state & 0xFF] ^ zeros[1][state >> 8 & 0xFF] ^ zeros[2][state >> 16 & 0xFF] ^
           zeros[3][state >> 24];
}

static inline uint64_t word(const uint8_t *data)
{
    uint64_t value;
    memcpy(&value, data, sizeof value);
    return value;
}

MTF_TARGET("sse4.2")
static inline uint32_t three_runs(uint32_t state, const uint8_t *data, size_t run,
                                  uint32_t zeros[4][256])
{
    uint64_t first = state, second = 0, third = 0;
    for (size_t place = 0; place < run; place += 8) {
        first = _mm_crc32_u64(first, word(data + place));
        second = _mm_crc32_u64(second, word(data + run + place));
        third = _mm_crc32_u64(third, word(data + 2 * run + place));
    }
    state = through(zeros, (uint32_t)first) ^ (uint32_t)second;
    return through(zeros, state) ^ (uint32_t)third;
}

MTF_TARGET("sse4.2")
static uint32_t by_instruction(uint32_t state, const uint8_t *data, size_t size)
{
    for (; size >= 3 * LONG_RUN; data += 3 * LONG_RUN, size -= 3 * LONG_RUN)
        state = three_runs(state, data, LONG_RUN, long_zeros);
    for (; size >= 3 * SHORT_RUN; data += 3 * SHORT_RUN, size -= 3 * SHORT_RUN)
        state = three_runs(state, data, SHORT_RUN, short_zeros);
    for (; size >= 8; data += 8, size -= 8)
        state = (uint32_t)_mm_crc32_u64(state, word(data));
    while (size--)
        state = _mm_crc32_u8(state, *data++);
    return state;
}

/* The instruction has one port of the CPU to itself, carry-less multiplication another: a block's
 * first part is folded by the one while the other goes through the rest in three runs.
 * Folding (Gopal et al., Fast CRC Computation for Generic Polynomials Using PCLMULQDQ, 2009): 128
 * bits come `distance` bits further when their halves are multiplied by the powers of x there. */
#define FOLDING MTF_TARGET("avx2,pclmul,vpclmulqdq,sse4.2")
enum {
    STEPS = 48,
    FOLDED = 4 * 32,         /* bytes folded a step */
    WORDS = 5,               /* a step and run */
    RUN = STEPS * WORDS * 8,
    BLOCK = STEPS * FOLDED + 3 * RUN
};

static uint32_t run_zeros[4][256];
static int64_t by_four[2], by_one[2]; /* a step's distance, and that of one vector */

/* x to the power of `bits`, bits reversed, in 33 bits. */
static int64_t power(int bits)
{
    uint32_t state = 0x80000000u;
    while (bits--)
        state = (state >> 1) ^ (state & 1 ? POLYNOMIAL : 0);
    return (int64_t)state << 1;
}

static void fill_powers(int64_t powers[2], int distance)
{
    powers[0] = power(distance + 32);
    powers[1] = power(distance - 32);
}

FOLDING
static inline __m256i folded(__m256i sum, __m256i powers, __m256i data)
{
    __m256i low = _mm256_clmulepi64_epi128(sum, powers, 0x00);
    __m256i high = _mm256_clmulepi64_epi128(sum, powers, 0x11);
    return _mm256_xor_si256(_mm256_xor_si256(low, high), data);
}

FOLDING
static inline __m256i both_lanes(const int64_t powers[2])
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)powers));
}

/* What four vectors that follow each other leave of a state. */
FOLDING
static inline uint32_t reduced(const __m256i sums[4])
{
    __m256i powers = both_lanes(by_one), sum = sums[0];
    uint64_t words[4], state = 0;
    for (int i = 1; i < 4; i++)
        sum = folded(sum, powers, sums[i]);
    _mm256_storeu_si256((__m256i *)words, sum);
    for (int i = 0; i < 4; i++)
        state = _mm_crc32_u64(state, words[i]);
    return (uint32_t)state;
}

FOLDING
static uint32_t one_block(uint32_t state, const uint8_t *data)
{
    const __m256i powers = both_lanes(by_four);
    const uint8_t *rest = data + STEPS * FOLDED;
    uint64_t runs[3] = {0};
    __m256i sums[4];
    for (int step = 0; step < STEPS; step++, data += FOLDED, rest += 8 * WORDS) {
        for (int i = 0; i < 4; i++) {
            __m256i vector = _mm256_loadu_si256((const __m256i *)data + i);
            sums[i] = step ? folded(sums[i], powers, vector) : vector;
        }
        if (!step)
            sums[0] = _mm256_xor_si256(sums[0], _mm256_setr_epi32((int)state, 0, 0, 0, 0, 0, 0, 0));
        for (int i = 0; i < WORDS; i++)
            for (int run = 0; run < 3; run++)
                runs[run] = _mm_crc32_u64(runs[run], word(rest + run * RUN + 8 * i));
    }
    state = reduced(sums);
    for (int run = 0; run < 3; run++)
        state = through(run_zeros, state) ^ (uint32_t)runs[run];
    return state;
}

FOLDING
static uint32_t by_folding(uint32_t state, const uint8_t *data, size_t size)
{
    for (; size >= BLOCK; data += BLOCK, size -= BLOCK)
        state = one_block(state, data);
    return by_instruction(state, data, size);
}
#endif

static uint32_t (*form)(uint32_t, const uint8_t *, size_t) = by_tables;

int mtf_crc32c_use(int level)
{
    level = mtf_level(level, MTF_AVX2);
    fill_tables();
    form = by_tables;
#if MTF_X86
    if (level >= MTF_SSE42) {
        fill_zeros(long_zeros, LONG_RUN);
        fill_zeros(short_zeros, SHORT_RUN);
        form = by_instruction;
    }
    if (level == MTF_AVX2 && __builtin_cpu_supports("vpclmulqdq")) {
        fill_zeros(run_zeros, RUN);
        fill_powers(by_four, 8 * FOLDED);
        fill_powers(by_one, 8 * 32);
        form = by_folding;
        return MTF_AVX2;
    }
    return level > MTF_SSE42 ? MTF_SSE42 : level;
#else
    return level;
#endif
}

uint32_t mtf_crc32c(uint32_t value, const uint8_t *data, size_t size)
{
    return ~form(~value, data, size);
}
