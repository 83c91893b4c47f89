/* A frame's line of the NDJSON wire, found, measured and checked without a JSON parser. */
#ifndef MUSETALK_LINES_H
#define MUSETALK_LINES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t index, source;
    int encoding; /* its place in types.CropEncoding */
    uint32_t first_row, rows, width;
    size_t data, data_end, end; /* places in the text */
    uint32_t checksum;
} mtf_line;

/* Read the line at the start of `text`. Returns 0 where it is not a whole frame in the form of
 * reference/lines.py with sizes up to `side` and the right checksum. */
int mtf_line_read(const uint8_t *text, size_t size, uint32_t side, mtf_line *line);

#endif
