/* Bits of an H.264 byte stream, read and written; both stop quietly and say so at the end. */
#ifndef MUSETALK_H264_BITS_H
#define MUSETALK_H264_BITS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const uint8_t *data; /* without emulation prevention */
    size_t size;         /* bytes */
    size_t place;        /* bits */
    const char *error;
} mtf_bit_reader;

/* At most 32 bits. */
static inline uint32_t mtf_read_u(mtf_bit_reader *in, unsigned count)
{
    uint64_t word = 0;
    size_t first = in->place >> 3, last = (in->place + count + 7) >> 3;
    if (in->error || last > in->size) {
        in->error = in->error ? in->error : "a header is cut off";
        return 0;
    }
    for (size_t i = first; i < last; i++)
        word = word << 8 | in->data[i];
    word >>= (last << 3) - in->place - count;
    in->place += count;
    return (uint32_t)(word & ((UINT64_C(1) << count) - 1));
}

static inline uint32_t mtf_read_ue(mtf_bit_reader *in)
{
    enum { MAX_ZEROS = 31 };
    unsigned zeros = 0;
    while (!mtf_read_u(in, 1)) {
        if (in->error)
            return 0;
        if (++zeros > MAX_ZEROS) {
            in->error = "not an Exp-Golomb code";
            return 0;
        }
    }
    uint32_t rest = mtf_read_u(in, zeros);
    return in->error ? 0 : (uint32_t)((UINT64_C(1) << zeros) - 1 + rest);
}

static inline int64_t mtf_read_se(mtf_bit_reader *in)
{
    int64_t code = mtf_read_ue(in);
    return code & 1 ? (code + 1) >> 1 : -(code >> 1);
}

/* Whole bytes go through emulation prevention into a buffer that grows. */
typedef struct {
    uint8_t *data;
    size_t size, capacity;
    uint64_t word;
    unsigned count; /* bits of the word, below 8 between calls */
    unsigned zeros; /* bytes of zero before */
    int failed;     /* no memory */
} mtf_bit_writer;

static inline void mtf_push(mtf_bit_writer *out, uint8_t byte)
{
    if (out->size == out->capacity) {
        size_t capacity = out->capacity ? 2 * out->capacity : 4096;
        uint8_t *data = realloc(out->data, capacity);
        if (!data) {
            out->failed = 1;
            out->size = 0;
            return;
        }
        out->data = data;
        out->capacity = capacity;
    }
    out->data[out->size++] = byte;
}

static inline void mtf_put_byte(mtf_bit_writer *out, uint8_t byte)
{
    if (out->zeros >= 2 && byte <= 3) {
        mtf_push(out, 3);
        out->zeros = 0;
    }
    mtf_push(out, byte);
    out->zeros = byte ? 0 : out->zeros + 1;
}

/* At most 32 bits. */
static inline void mtf_put_u(mtf_bit_writer *out, uint32_t value, unsigned count)
{
    out->word = out->word << count | value;
    out->count += count;
    while (out->count >= 8) {
        out->count -= 8;
        mtf_put_byte(out, (uint8_t)(out->word >> out->count));
    }
}

static inline void mtf_put_ue(mtf_bit_writer *out, uint32_t value)
{
    unsigned bits = 0;
    for (uint64_t rest = (uint64_t)value + 1; rest > 1; rest >>= 1)
        bits++;
    mtf_put_u(out, 0, bits);
    mtf_put_u(out, 1, 1);
    mtf_put_u(out, (uint32_t)((uint64_t)value + 1 - (UINT64_C(1) << bits)), bits);
}

/* Fill the last byte up with ones or zeros. */
static inline void mtf_put_fill(mtf_bit_writer *out, int bit)
{
    if (out->count)
        mtf_put_u(out, bit ? (1u << (8 - out->count)) - 1 : 0, 8 - out->count);
}

static inline void mtf_put_copy(mtf_bit_writer *out, const uint8_t *data, size_t place, size_t end)
{
    mtf_bit_reader in = {data, (end + 7) >> 3, place, NULL};
    while (end - in.place >= 32)
        mtf_put_u(out, mtf_read_u(&in, 32), 32);
    unsigned rest = (unsigned)(end - in.place);
    mtf_put_u(out, mtf_read_u(&in, rest), rest);
}

#endif
