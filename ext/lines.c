#include "lines.h"

#include <string.h>

#include "crc32c.h"

typedef struct {
    const uint8_t *text;
    size_t size, place;
} cursor;

#define SIZE(literal) (sizeof(literal) - 1)
#define SKIP(at, literal) skip(at, literal, SIZE(literal))

static int skip(cursor *at, const char *literal, size_t size)
{
    if (at->size - at->place < size || memcmp(at->text + at->place, literal, size))
        return 0;
    at->place += size;
    return 1;
}

/* A whole number as JSON has it, up to `most`. */
static int number(cursor *at, uint32_t most, uint32_t *value)
{
    enum { DIGITS = 10 };
    size_t begin = at->place;
    uint64_t sum = 0;
    for (; at->place < at->size && at->place - begin < DIGITS; at->place++) {
        unsigned digit = at->text[at->place] - (unsigned)'0';
        if (digit > 9)
            break;
        sum = 10 * sum + digit;
    }
    *value = (uint32_t)sum;
    size_t digits = at->place - begin;
    return digits && (digits == 1 || at->text[begin] != '0') && sum <= most;
}

static int encoding(cursor *at, int *value)
{
    static const char *const names[] = {"raw", "jpeg", "png"};
    for (*value = 0; *value < 3; ++*value)
        if (skip(at, names[*value], strlen(names[*value])))
            return 1;
    return 0;
}

static int head(cursor *at, uint32_t side, mtf_line *line)
{
    return SKIP(at, "{\"type\":\"frame\",\"index\":") && number(at, UINT32_MAX, &line->index) &&
           SKIP(at, ",\"source\":") && number(at, UINT32_MAX, &line->source) &&
           SKIP(at, ",\"encoding\":\"") && encoding(at, &line->encoding) &&
           SKIP(at, "\",\"rows\":[") && number(at, side, &line->first_row) && SKIP(at, ",") &&
           number(at, side, &line->rows) && SKIP(at, "],\"width\":") &&
           number(at, side, &line->width) && line->width && SKIP(at, ",\"data\":\"");
}

/* Raw data's end follows from its size; that of other data is looked for. */
static size_t data_end(const cursor *at, const mtf_line *line)
{
    size_t rest = at->size - at->place;
    uint64_t pixels = (uint64_t)line->rows * line->width;
    if (!line->encoding)
        return pixels <= rest / 4 ? at->place + 4 * (size_t)pixels : at->size;
    const uint8_t *quote = memchr(at->text + at->place, '"', rest);
    return quote ? (size_t)(quote - at->text) : at->size;
}

static int hexadecimal(cursor *at, uint32_t *value)
{
    if (at->size - at->place < 8)
        return 0;
    *value = 0;
    for (int i = 0; i < 8; i++) {
        int byte = at->text[at->place++];
        if (!(byte >= '0' && byte <= '9') && !(byte >= 'a' && byte <= 'f'))
            return 0;
        *value = *value << 4 | (uint32_t)(byte <= '9' ? byte - '0' : byte - 'a' + 10);
    }
    return 1;
}

int mtf_line_read(const uint8_t *text, size_t size, uint32_t side, mtf_line *line)
{
    cursor at = {text, size, 0};
    if (!head(&at, side, line))
        return 0;
    line->data = at.place;
    line->data_end = at.place = data_end(&at, line);
    if (!SKIP(&at, "\",\"crc32c\":\"") || !hexadecimal(&at, &line->checksum) || !SKIP(&at, "\"}\n"))
        return 0;
    line->end = at.place;
    return mtf_crc32c(0, text, line->data_end + 1) == line->checksum;
}
