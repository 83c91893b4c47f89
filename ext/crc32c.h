/* CRC-32C (Castagnoli): polynomial 0x1EDC6F41, bits reversed, state complemented outside. */
#ifndef MUSETALK_CRC32C_H
#define MUSETALK_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Fill the tables and take a form at or below `level`; returns the one taken. */
int mtf_crc32c_use(int level);

/* The checksum of `size` bytes behind bytes whose checksum is `value`. */
uint32_t mtf_crc32c(uint32_t value, const uint8_t *data, size_t size);

#endif
