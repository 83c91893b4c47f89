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
#include <nmmintrin.h>

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
#endif

static uint32_t (*form)(uint32_t, const uint8_t *, size_t) = by_tables;

int mtf_crc32c_use(int level)
{
    level = mtf_level(level, MTF_SSE42);
    fill_tables();
    form = by_tables;
#if MTF_X86
    if (level >= MTF_SSE42) {
        fill_zeros(long_zeros, LONG_RUN);
        fill_zeros(short_zeros, SHORT_RUN);
        form = by_instruction;
    }
#endif
    return level;
}

uint32_t mtf_crc32c(uint32_t value, const uint8_t *data, size_t size)
{
    return ~form(~value, data, size);
}
