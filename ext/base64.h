/* Base64 (RFC 4648 section 4), decoded strictly. */
#ifndef MUSETALK_BASE64_H
#define MUSETALK_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Take a form at or below `level`; returns the one taken. */
int mtf_base64_use(int level);

/* Decode `size` characters into at most `room` bytes. Returns how many bytes were written, or -1
 * where the text is not base64 or has no room: reference/base64.py says what is wrong. */
ptrdiff_t mtf_base64_decode(const uint8_t *text, size_t size, uint8_t *out, size_t room);

#endif
