/* CABAC slice data of skipped macroblocks: reference/h264_skips.py says what and why. */
#ifndef MUSETALK_H264_SKIPS_H
#define MUSETALK_H264_SKIPS_H

#include "h264_bits.h"

enum { MTF_P, MTF_B, MTF_I };

/* Write so many macroblocks, at least one, and the trailing bits. */
void mtf_h264_put_skips(mtf_bit_writer *out, uint32_t count, int64_t qp, unsigned init, int kind);

/* How many macroblocks of slice data at a whole byte are skipped, up to a limit. */
uint32_t mtf_h264_leading_skips(mtf_bit_reader *in, uint32_t limit, int64_t qp, unsigned init,
                                int kind);

#endif
