#include "png.h"

#include <stdlib.h>

static uint8_t paeth(int left, int up, int corner)
{
    int by_left = abs(up - corner), by_up = abs(left - corner);
    int by_corner = abs(left + up - 2 * corner);
    if (by_left <= by_up && by_left <= by_corner)
        return (uint8_t)left;
    return (uint8_t)(by_up <= by_corner ? up : corner);
}

/* `above` is NULL for the first line: it counts as zeros. */
static void undo(int filter, uint8_t *row, const uint8_t *above, size_t bytes, size_t pixel)
{
    for (size_t i = 0; i < bytes; i++) {
        int left = i < pixel ? 0 : row[i - pixel];
        int up = above ? above[i] : 0;
        int corner = above && i >= pixel ? above[i - pixel] : 0;
        switch (filter) {
        case 1: row[i] = (uint8_t)(row[i] + left); break;
        case 2: row[i] = (uint8_t)(row[i] + up); break;
        case 3: row[i] = (uint8_t)(row[i] + ((left + up) >> 1)); break;
        case 4: row[i] = (uint8_t)(row[i] + paeth(left, up, corner)); break;
        default: return;
        }
    }
}

ptrdiff_t mtf_png_unfilter(uint8_t *lines, size_t rows, size_t bytes, size_t pixel)
{
    const uint8_t *above = NULL;
    for (size_t number = 0; number < rows; number++, lines += 1 + bytes) {
        if (lines[0] > 4)
            return (ptrdiff_t)number;
        undo(lines[0], lines + 1, above, bytes, pixel);
        above = lines + 1;
    }
    return -1;
}
