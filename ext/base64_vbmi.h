/* Base64 by AVX-512 VBMI: 64 characters a step, looked up in one table of 128 values. Included by
 * base64.c, and by the test that runs it on a CPU without, every intrinsic being a loop there. */
#ifndef MUSETALK_BASE64_VBMI_H
#define MUSETALK_BASE64_VBMI_H

#define MTF_VBMI MTF_TARGET("avx512f,avx512bw,avx512vbmi")

/* As vectors_avx2; a store writes 16 bytes more than it decodes, which are 22 characters. */
MTF_VBMI
static size_t vectors_vbmi(const uint8_t *text, size_t end, uint8_t *out)
{
    enum { BLOCK = 64, SPARE = 32 };
    uint8_t order[BLOCK] = {0};
    for (int i = 0; i < BLOCK / 4 * 3; i++)
        order[i] = (uint8_t)(i / 3 * 4 + 2 - i % 3);
    const __m512i low = _mm512_loadu_si512(values), high = _mm512_loadu_si512(values + 64);
    const __m512i bytes = _mm512_loadu_si512(order);
    size_t place = 0;
    for (; place + BLOCK + SPARE <= end; place += BLOCK, out += BLOCK / 4 * 3) {
        __m512i from = _mm512_loadu_si512(text + place);
        __m512i six = _mm512_permutex2var_epi8(low, from, high);
        if (_mm512_movepi8_mask(_mm512_or_si512(six, from)))
            break;
        __m512i twelve = _mm512_maddubs_epi16(six, _mm512_set1_epi32(0x01400140));
        __m512i packed = _mm512_madd_epi16(twelve, _mm512_set1_epi32(0x00011000));
        _mm512_storeu_si512(out, _mm512_permutexvar_epi8(bytes, packed));
    }
    return place;
}

#endif
