/* Base64 (RFC 4648 section 4), decoded strictly. */
#ifndef MUSETALK_BASE64_H
#define MUSETALK_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Take a form at or below `level`; returns the one taken. */
int mtf_base64_use(int level);

/* Decode `size` characters (a multiple of 4), the last `padding` (0..2) of them `=`, into exactly
 * size / 4 * 3 - padding bytes. Returns -1, or the offset of the first character that is wrong. */
ptrdiff_t mtf_base64_decode(const uint8_t *text, size_t size, int padding, uint8_t *out);

#endif
