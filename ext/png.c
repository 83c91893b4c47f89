#include "png.h"

#include <stdlib.h>
#include <string.h>

static uint8_t paeth(int left, int up, int corner)
{
    int by_left = abs(up - corner), by_up = abs(left - corner);
    int by_corner = abs(left + up - 2 * corner);
    if (by_left <= by_up && by_left <= by_corner)
        return (uint8_t)left;
    return (uint8_t)(by_up <= by_corner ? up : corner);
}

static void add_left(const uint8_t *line, size_t bytes, size_t pixel, uint8_t *row)
{
    memcpy(row, line, pixel);
    for (size_t i = pixel; i < bytes; i++)
        row[i] = (uint8_t)(line[i] + row[i - pixel]);
}

static void add_up(const uint8_t *line, size_t bytes, const uint8_t *above, uint8_t *row)
{
    if (!above)
        memcpy(row, line, bytes);
    else
        for (size_t i = 0; i < bytes; i++)
            row[i] = (uint8_t)(line[i] + above[i]);
}

static void add_mean(const uint8_t *line, size_t bytes, size_t pixel, const uint8_t *above,
                     uint8_t *row)
{
    for (size_t i = 0; i < bytes; i++) {
        int left = i < pixel ? 0 : row[i - pixel], up = above ? above[i] : 0;
        row[i] = (uint8_t)(line[i] + ((left + up) >> 1));
    }
}

static void add_paeth(const uint8_t *line, size_t bytes, size_t pixel, const uint8_t *above,
                      uint8_t *row)
{
    for (size_t i = 0; i < bytes; i++) {
        int left = i < pixel ? 0 : row[i - pixel], up = above ? above[i] : 0;
        int corner = above && i >= pixel ? above[i - pixel] : 0;
        row[i] = (uint8_t)(line[i] + paeth(left, up, corner));
    }
}

ptrdiff_t mtf_png_unfilter(const uint8_t *lines, size_t rows, size_t bytes, size_t pixel,
                           const uint8_t *above, uint8_t *out)
{
    for (size_t number = 0; number < rows; number++, lines += 1 + bytes) {
        switch (lines[0]) {
        case 0: memcpy(out, lines + 1, bytes); break;
        case 1: add_left(lines + 1, bytes, pixel, out); break;
        case 2: add_up(lines + 1, bytes, above, out); break;
        case 3: add_mean(lines + 1, bytes, pixel, above, out); break;
        case 4: add_paeth(lines + 1, bytes, pixel, above, out); break;
        default: return (ptrdiff_t)number;
        }
        above = out;
        out += bytes;
    }
    return -1;
}
