/* A full-size H.264 picture composed of a band's picture: reference/h264.py says what and why. */
#ifndef MUSETALK_H264_H
#define MUSETALK_H264_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t frame_num_bits, poc_lsb_bits, pps_id, cabac, poc_present;
    uint32_t references[2];
    uint32_t weighted_p, weighted_b;
    int32_t initial_qp;
} mtf_h264_syntax;

typedef struct {
    uint32_t width, first_row, rows, total_rows, guard_rows;
} mtf_h264_layout;

typedef struct {
    const uint8_t *unit;
    size_t size;
    uint32_t row;
} mtf_h264_still;

typedef struct {
    uint8_t *data; /* to be freed, also after an error */
    size_t size, capacity;
    int is_idr, is_proven;
} mtf_h264_picture;

/* Returns NULL, or why the picture cannot be composed; "" for want of memory. */
const char *mtf_h264_compose(const uint8_t *packet, size_t size, const mtf_h264_syntax *syntax,
                             const mtf_h264_layout *layout, const mtf_h264_still *still,
                             size_t still_count, uint32_t idr_pic_id, mtf_h264_picture *picture);

#endif
