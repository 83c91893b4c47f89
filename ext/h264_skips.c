#include "h264_skips.h"

/* Tables 9-44 and 9-45. */
static const uint8_t lps_range[64][4] = {
    {128, 176, 208, 240}, {128, 167, 197, 227}, {128, 158, 187, 216}, {123, 150, 178, 205},
    {116, 142, 169, 195}, {111, 135, 160, 185}, {105, 128, 152, 175}, {100, 122, 144, 166},
    {95, 116, 137, 158}, {90, 110, 130, 150}, {85, 104, 123, 142}, {81, 99, 117, 135},
    {77, 94, 111, 128}, {73, 89, 105, 122}, {69, 85, 100, 116}, {66, 80, 95, 110},
    {62, 76, 90, 104}, {59, 72, 86, 99}, {56, 69, 81, 94}, {53, 65, 77, 89},
    {51, 62, 73, 85}, {48, 59, 69, 80}, {46, 56, 66, 76}, {43, 53, 63, 72},
    {41, 50, 59, 69}, {39, 48, 56, 65}, {37, 45, 54, 62}, {35, 43, 51, 59},
    {33, 41, 48, 56}, {32, 39, 46, 53}, {30, 37, 43, 50}, {29, 35, 41, 48},
    {27, 33, 39, 45}, {26, 31, 37, 43}, {24, 30, 35, 41}, {23, 28, 33, 39},
    {22, 27, 32, 37}, {21, 26, 30, 35}, {20, 24, 29, 33}, {19, 23, 27, 31},
    {18, 22, 26, 30}, {17, 21, 25, 28}, {16, 20, 23, 27}, {15, 19, 22, 25},
    {14, 18, 21, 24}, {14, 17, 20, 23}, {13, 16, 19, 22}, {12, 15, 18, 21},
    {12, 14, 17, 20}, {11, 14, 16, 19}, {11, 13, 15, 18}, {10, 12, 15, 17},
    {10, 12, 14, 16}, {9, 11, 13, 15}, {9, 11, 12, 14}, {8, 10, 12, 14},
    {8, 9, 11, 13}, {7, 9, 11, 12}, {7, 9, 10, 12}, {7, 8, 10, 11},
    {6, 8, 9, 11}, {6, 7, 9, 10}, {6, 7, 8, 9}, {2, 2, 2, 2},
};

static const uint8_t next_lps[64] = {
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12,
    13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24,
    24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33,
    33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63,
};

/* (m, n) of contexts 11 (P) and 24 (B) for each cabac_init_idc: tables 9-13 and 9-14. */
static const int8_t skip_context[2][3][2] = {
    {{23, 33}, {22, 25}, {29, 16}},
    {{18, 64}, {26, 34}, {20, 40}},
};

typedef struct {
    unsigned state, mps;
} context;

static context initial(int64_t qp, unsigned init, int kind)
{
    const int8_t *mn = skip_context[kind][init];
    int clipped = qp < 0 ? 0 : qp > 51 ? 51 : (int)qp;
    int state = ((mn[0] * clipped) >> 4) + mn[1];
    state = state < 1 ? 1 : state > 126 ? 126 : state;
    return state <= 63 ? (context){63 - (unsigned)state, 0} : (context){(unsigned)state - 64, 1};
}

static void most_probable(context *at)
{
    if (at->state < 62)
        at->state++;
}

static void least_probable(context *at)
{
    if (!at->state)
        at->mps = !at->mps;
    at->state = next_lps[at->state];
}

typedef struct {
    mtf_bit_writer *out;
    uint32_t low, range, outstanding;
    int begun;
} encoder;

static void put(encoder *code, unsigned bit)
{
    if (code->begun)
        mtf_put_u(code->out, bit, 1);
    code->begun = 1; /* the first bit says nothing and is not written */
    for (; code->outstanding; code->outstanding--)
        mtf_put_u(code->out, !bit, 1);
}

static void renormalise(encoder *code)
{
    for (; code->range < 256; code->low <<= 1, code->range <<= 1) {
        if (code->low < 256) {
            put(code, 0);
        } else if (code->low >= 512) {
            code->low -= 512;
            put(code, 1);
        } else {
            code->low -= 256;
            code->outstanding++;
        }
    }
}

void mtf_h264_put_skips(mtf_bit_writer *out, uint32_t count, int64_t qp, unsigned init, int kind)
{
    context flag = initial(qp, init, kind);
    encoder code = {out, 0, 510, 0, 0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t lps = lps_range[flag.state][code.range >> 6 & 3];
        code.range -= lps;
        if (flag.mps) {
            most_probable(&flag);
        } else {
            code.low += code.range;
            code.range = lps;
            least_probable(&flag);
        }
        renormalise(&code);
        code.range -= 2; /* end_of_slice_flag */
        if (i + 1 < count)
            renormalise(&code);
    }
    code.low += code.range;
    code.range = 2;
    renormalise(&code);
    put(&code, code.low >> 9 & 1);
    mtf_put_u(out, code.low >> 8 & 1, 1);
    mtf_put_u(out, 1, 1);
    mtf_put_fill(out, 0);
}

uint32_t mtf_h264_leading_skips(mtf_bit_reader *in, uint32_t limit, int64_t qp, unsigned init,
                                int kind)
{
    context flag = initial(qp, init, kind);
    uint32_t range = 510, offset = mtf_read_u(in, 9);
    for (uint32_t i = 0; i < limit && !in->error; i++) {
        unsigned is_skipped = flag.mps;
        uint32_t lps = lps_range[flag.state][range >> 6 & 3];
        range -= lps;
        if (offset >= range) {
            offset -= range;
            range = lps;
            is_skipped = !is_skipped;
            least_probable(&flag);
        } else {
            most_probable(&flag);
        }
        unsigned shift = 0;
        while (range << shift < 256)
            shift++;
        range <<= shift;
        offset = offset << shift | mtf_read_u(in, shift);
        if (!is_skipped)
            return i;
        range -= 2;
        if (offset >= range) /* end_of_slice_flag */
            return i + 1;
        if (range < 256) {
            range <<= 1;
            offset = offset << 1 | mtf_read_u(in, 1);
        }
    }
    return limit;
}
